#!/bin/sh
# A hook of dracut for when it gives up. With rd.shell=0, and after a fatal error, it would stop the machine without asking
# any unit, and nobody would hear why: on a first boot the engine comes first, and does not come back. Where the kernel
# arguments ask for a shell this file is not there, and dracut's own emergency goes on.
if [ -e /run/systemd/generator/dracut-emergency.service.d/90-kindling-acts.conf ]; then
    systemctl start dracut-emergency.service
fi
