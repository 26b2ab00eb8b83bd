"""A server for the benchmark: answers late, sends a large body, notes when the first byte of a request came.
usage: server.py PORT_FILE STAMP_FILE
Paths: /late/MS/ANYTHING answers MS milliseconds after the request; /config/N a config with N remote children;
/files/N a config with N remote files; /large 1 GiB of zeros."""
import asyncio, json, sys, time

port_file, stamp_file = sys.argv[1:]
ZEROS = bytes(1 << 20)


def body_of(path, host):
    parts = path.strip("/").split("/")
    if parts[0] == "files":
        files = [{"path": f"/etc/bench/{n}", "contents": {"source": f"http://{host}/late/50/f{n}"}}
                 for n in range(int(parts[1]))]
        return json.dumps({"ignition": {"version": "3.3.0"}, "storage": {"files": files}})
    if parts[0] == "config":
        merge = [{"source": f"http://{host}/late/20/c{n}"} for n in range(int(parts[1]))]
        return json.dumps({"ignition": {"version": "3.3.0", "config": {"merge": merge}}})
    if parts[-1].startswith("c"):
        return json.dumps({"ignition": {"version": "3.3.0"}, "kernelArguments": {}})
    return "content of " + parts[-1]


async def serve(reader, writer):
    try:
        while True:
            first = await reader.read(1)
            if not first:
                break
            with open(stamp_file, "w") as stamp:
                stamp.write(str(time.monotonic_ns()))
            request = first + await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ")[1].decode()
            host = next(line[6:] for line in request.decode().split("\r\n") if line.lower().startswith("host: "))
            if path.startswith("/late/"):
                await asyncio.sleep(int(path.split("/")[2]) / 1000)
            if path == "/large":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
                for _ in range(1 << 10):
                    writer.write(ZEROS)
                    await writer.drain()
                continue
            body = body_of(path, host).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with open(port_file, "w") as out:
        out.write(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


asyncio.run(main())
