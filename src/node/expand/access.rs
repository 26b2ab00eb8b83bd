//! Ways to log in that are closed: masks, which no preset, no dependency and no generator gets past.

use super::Made;
use crate::node::access::{CONSOLES, SSH};
use crate::node::handed::Access;

pub(super) fn make(made: &mut Made, access: Access) {
    if access.is_ssh_off {
        made.mask("/kindling/node/access/ssh", &SSH);
    }
    if access.is_console_login_off {
        made.mask("/kindling/node/access/consoleLogin", &CONSOLES);
    }
}
