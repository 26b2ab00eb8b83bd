"""What fetching takes: the engine and the reference in turn, against tests/bench/server.py on loopback.
usage: network.py WORK NAME=BINARY...   (WORK as run.sh prepares it: once, stages)"""
import hashlib, json, os, statistics, subprocess, sys, time

work, *pairs = sys.argv[1:]
engines = dict(pair.split("=", 1) for pair in pairs)
here = os.path.dirname(os.path.abspath(__file__))
port_file, stamp_file = f"{work}/port", f"{work}/stamp"
server = subprocess.Popen([sys.executable, f"{here}/server.py", port_file, stamp_file])
while not os.path.exists(port_file) or not open(port_file).read():
    time.sleep(0.02)
host = "127.0.0.1:" + open(port_file).read()


def config(name, document):
    with open(f"{work}/{name}.ign", "w") as out:
        json.dump(document, out)
    return f"{work}/{name}.ign"


zeros = hashlib.sha512()
for _ in range(1 << 10):
    zeros.update(bytes(1 << 20))
base = {"version": "3.3.0"}
jobs = [
    ("64 files, 50 ms each", 5, config("remote", {"ignition": base, "storage": {"files": [
        {"path": f"/etc/bench/{n}", "contents": {"source": f"http://{host}/late/50/f{n}"}} for n in range(64)]}})),
    ("32 merged configs, 20 ms each", 5, config("merged", {"ignition": {**base, "config": {"merge": [
        {"source": f"http://{host}/late/20/c{n}"} for n in range(32)]}}})),
    ("1 GiB with sha512", 2, config("large", {"ignition": base, "storage": {"files": [
        {"path": "/etc/large", "contents": {"source": f"http://{host}/large",
                                            "verification": {"hash": "sha512-" + zeros.hexdigest()}}}]}})),
]


def run(binary, path):
    """Seconds of both stages, and the peak of the larger in MiB."""
    subprocess.run([f"{work}/once"], check=True)
    begun = time.monotonic()
    # GNU time is small: what it starts is not charged with the memory of this program.
    subprocess.run(["/usr/bin/time", "-f", "%M", "-o", f"{work}/peak", f"{work}/stages", binary, path], check=True)
    return time.monotonic() - begun, int(open(f"{work}/peak").read()) / 1024


def first_byte(binary):
    """Milliseconds from the start of the process to the first byte of its first request."""
    path = config("first", {"ignition": {**base, "config": {"merge": [{"source": f"http://{host}/late/0/c0"}]}}})
    subprocess.run([f"{work}/once"], check=True)
    begun = time.monotonic_ns()
    subprocess.run([f"{work}/stages", binary, path], check=True)
    return (int(open(stamp_file).read()) - begun) / 1e6


def row(title, unit, values):
    """Median and best; the best run is the one that others disturbed least."""
    for kind, index in (("", 0), (" best", 1)):
        if unit == "MiB" and index:
            continue
        ours, other = values["ours"][index], values.get("reference", (0, 0))[index]
        theirs, ratio = (f"{other:.2f}", f"{ours / other:.2f}x") if other else ("-", "-")
        print(f"{title:<36}{unit + kind:<8}{ours:>10.2f}{theirs:>12}{ratio:>9}", flush=True)


try:
    for title, times, path in jobs:
        seconds, memory = {}, {}
        for name, binary in engines.items():
            runs = [run(binary, path) for _ in range(times)]
            taken = [taken for taken, _ in runs]
            seconds[name] = (statistics.median(taken), min(taken))
            memory[name] = (max(peak for _, peak in runs),) * 2
        row(title, "s", seconds)
        row(title, "MiB", memory)
    waits = {name: [first_byte(binary) for _ in range(20)] for name, binary in engines.items()}
    row("start to first byte requested", "ms", {
        name: (statistics.median(wait), min(wait)) for name, wait in waits.items()})
finally:
    server.kill()
