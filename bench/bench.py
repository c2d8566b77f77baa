# SPDX-License-Identifier: MIT
"""Measures mucmm beside its peers and prints one table for each question. See bench/README.md.

Every measurement is a process of its own. Peers are tried with several builds of OpenBLAS and
core types in short runs; the two fastest settings of each are measured, and the best result counts.
"""
import argparse
import glob
import importlib
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
MUCMM = os.path.join(ROOT, "build", "cli", "mucmm")
PEERS = os.path.join(ROOT, "build", "peers")
WORK = os.path.join(ROOT, "build", "bench")
IMAGES = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"
SHORT_SECONDS = 20  # a short run that takes longer is out


def cpu():
    """Model name and flags of the first processor."""
    info = {}
    with open("/proc/cpuinfo") as f:
        for line in f:
            key, _, value = line.partition(":")
            info.setdefault(key.strip(), value.strip())
    return info.get("model name", platform.machine()), info.get("flags", "").split()


def blas_settings(flags):
    """(name, environment): OpenBLAS with its own threads or OpenMP's, by core type.

    With its own threads beside PyTorch's OpenMP team, spinning teams take each other's processors:
    OMP_WAIT_POLICY=passive."""
    cores = [None]
    cores += ["Haswell", "Zen"] if "avx2" in flags else []
    cores += ["SkylakeX"] if "avx512f" in flags else []
    for threads, wait in (("pthread", {"OMP_WAIT_POLICY": "passive"}), ("openmp", {})):
        found = glob.glob(f"/usr/lib/*/openblas-{threads}")
        for core in cores if found else []:
            env = dict(wait, LD_LIBRARY_PATH=found[0])
            if core:
                env["OPENBLAS_CORETYPE"] = core
            yield f"{threads}, {core or 'default'}", env


AS_INSTALLED = [("as installed", {})]


class Failed(Exception):
    pass


def run(command, env, timeout=None):
    """The JSON object a command prints; Failed with its last line of complaint."""
    try:
        done = subprocess.run([str(c) for c in command], env={**os.environ, **env},
                              capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done in {timeout} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()
        raise Failed(f"{' '.join(map(str, command))}: {said[-1]}")
    return json.loads(done.stdout)


class Program:
    """command(short) is what to run; better(result) is larger for a better result; settings are
    the (name, environment) to choose from."""

    def __init__(self, name, command, better, settings=(("-", {}),), rounds=None):
        self.name, self.command, self.better = name, command, better
        self.settings, self.rounds = list(settings), rounds
        self.result = self.setting = None

    def tune(self):
        """Leaves the two settings that are best in a short run."""
        if len(self.settings) == 1:
            return
        scored = []
        for name, env in self.settings:
            try:
                scored.append((self.better(run(self.command(True), env, SHORT_SECONDS)), name, env))
                log(f"  {self.name}, {name}: {abs(scored[-1][0]):.4g}")
            except Failed as e:  # a core type this processor lacks; OpenMP on a busy machine
                log(f"  {self.name}, {name}: left out: {e}")
        if not scored:
            raise Failed(f"{self.name}: no setting of OpenBLAS works")
        scored.sort(key=lambda s: -s[0])
        self.settings = [(name, env) for _, name, env in scored[:2]]

    def measure(self):
        for name, env in self.settings:
            result = run(self.command(False), env)
            if self.result is None or self.better(result) > self.better(self.result):
                self.result, self.setting = result, name


def measure_all(programs, rounds):
    """Rounds over all programs in turn, so that a busy moment does not hit one of them only."""
    for p in programs:
        p.tune()
    for i in range(rounds):
        for p in programs:
            if p.rounds is None or i < p.rounds:
                p.measure()
                log(f"  round {i + 1}, {p.name}: {abs(p.better(p.result)):.4g}")


def log(text):
    print(text, file=sys.stderr, flush=True)


def table(title, header, rows):
    widths = [max(len(r[i]) for r in [header] + rows) for i in range(len(header))]
    print(f"\n{title}\n")
    for r in [header, ["-" * w for w in widths]] + rows:
        cells = [r[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(r[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def closed_form(o, settings):
    left, right = (os.path.join(WORK, f"fashion_{side}.npy") for side in ("left", "right"))
    if not (os.path.exists(left) and os.path.exists(right)):
        os.makedirs(WORK, exist_ok=True)
        subprocess.run([sys.executable, os.path.join(HERE, "peers", "halves.py"), IMAGES, left, right],
                       check=True)

    def peer(name, title, common=o.common, repeats=3, short_rows=None, choose=settings, **more):
        def command(short):
            c = [sys.executable, os.path.join(HERE, "peers", "cca.py"), name, left, right,
                 "--common", common, "--ridge", o.ridge, "--repeats", 1 if short else repeats]
            return c + (["--rows", short_rows] if short and short_rows else [])
        return Program(title, command, lambda r: -r["seconds"], choose, **more)

    mucmm = Program("mucmm", lambda short: [
        MUCMM, "bench", "closed-form", "--json", "--threads", o.threads, "--repeats", 3,
        "--view", f"left={left}", "--view", f"right={right}", "--common", o.common],
        lambda r: -r["seconds"])
    programs = [] if o.peers_only else [mucmm]
    programs += [peer("numpy-cov", "NumPy, np.cov, as installed", choose=AS_INSTALLED),
                 peer("numpy-float64", "NumPy, float64, as installed", choose=AS_INSTALLED),
                 peer("numpy-float64", "NumPy, float64"),
                 peer("numpy-float32", "NumPy, float32 products"),
                 peer("statsmodels", "statsmodels CanCorr", repeats=1, short_rows=6000)]
    if o.slow:
        programs.append(peer("sklearn", "scikit-learn CCA, 5 components", common=5, repeats=1,
                             short_rows=2000, rounds=1))
    measure_all(programs, o.rounds)

    base, truth = programs[0], next(p for p in programs if p.name == "NumPy, float64").result
    rows = []
    for p in programs:
        rho = p.result["correlations"]
        rows.append([p.name, p.setting, f"{p.result['seconds']:.3f}",
                     "-" if base is not mucmm else f"{p.result['seconds'] / base.result['seconds']:.2f}",
                     f"{sum(rho):.6f}",
                     f"{max(abs(a - b) for a, b in zip(rho, truth['correlations'])):.1e}"])
    table(f"Closed form CCA, two views of 60,000 x 392 float32, k = {o.common}: from arrays in memory "
          "to weights",
          ["program", "OpenBLAS", "seconds", "of mucmm's", "sum of correlations",
           "largest difference from NumPy, float64"], rows)


def training(o, settings):
    def command(short):
        steps = ["--steps", 5, "--warmup", 2] if short else ["--steps", o.steps]
        return [sys.executable, os.path.join(HERE, "peers", "torch_train.py"), "--threads", o.threads] + steps

    speed = lambda r: r["rows_per_second"]
    mucmm = Program("mucmm", lambda short: [MUCMM, "bench", "train", "--json", "--threads", o.threads,
                                            "--steps", o.steps], speed)
    torch = Program("PyTorch", command, speed, settings)
    plain = Program("PyTorch, as installed", command, speed, AS_INSTALLED)
    programs = [plain, torch] if o.peers_only else [mucmm, plain, torch]
    measure_all(programs, o.rounds)

    # One count of operations for both: mucmm's.
    count = None if o.peers_only else mucmm.result["gflops"] / speed(mucmm.result)
    rows = [[p.name, p.setting, f"{speed(p.result):,.0f}",
             "-" if count is None else f"{speed(p.result) / speed(mucmm.result):.2f}",
             "-" if count is None else f"{speed(p.result) * count:.0f}",
             f"{p.result['best_gemm_gflops']:.0f}"] for p in programs]
    table("Training the common heads: two views, 768-1024-1024-64 with BatchNorm, GELU and a linear "
          "skip, batch 2000",
          ["program", "OpenBLAS", "rows/s", "of mucmm's", "GFLOP/s", "best product, GFLOP/s"], rows)


def permutation(o, settings):
    """No settings: NumPy's part is no product of matrices."""
    rows, k, count = 5000, 50, 1000
    peer = lambda short: [sys.executable, os.path.join(HERE, "peers", "permutations.py"), "--rows", rows,
                          "--common", k, "--permutations", count]
    mucmm = lambda short: [MUCMM, "bench", "permutation", "--json", "--threads", o.threads, "--repeats", 3,
                           "--batch", rows, "--common", k, "--permutations", count]
    programs = [] if o.peers_only else [Program("mucmm", mucmm, lambda r: -r["seconds"])]
    programs.append(Program("NumPy, one thread", peer, lambda r: -r["seconds"]))
    measure_all(programs, o.rounds)
    table(f"{count:,} permutations of {rows:,} rows, two views of {k} components: the correlations of all "
          f"components in each (mucmm on {o.threads} thread{'s' if o.threads > 1 else ''})", ["program", "seconds"],
          [[p.name, f"{p.result['seconds']:.3f}"] for p in programs])


class Network:
    """inputs: (name, type, shape of one sample). wrt: tensor of the gradient. repeats for batches of 1 and 16."""

    def __init__(self, path, inputs, repeats, wrt=None, batches=(1, 16)):
        self.path, self.inputs, self.wrt = path, inputs, wrt
        self.batches, self.repeats = batches, dict(zip((1, 16), repeats))
        self.name = os.path.basename(path)[:-len(".onnx")]


def networks(shared):
    encoders = os.path.join(shared, "data", "encoders")
    ocr = os.path.join(PEERS, "node_modules", "@gutenye", "ocr-models", "assets")
    return [
        Network(f"{encoders}/mobilenetv1_025_224.onnx", [("image", "float32", "3x224x224")], (500, 60)),
        Network(f"{encoders}/use_lite_T32.onnx", [("ids", "int64", "32"), ("mask", "float32", "32")], (200, 30),
                wrt="token_embeddings"),
        Network(f"{encoders}/embedding_model.onnx", [("input_1", "float32", "76x32x1")], (400, 60)),
        Network(f"{encoders}/FastestDet.onnx", [("input.1", "float32", "3x352x352")], (200, 20), batches=(1,)),
        Network(f"{ocr}/ch_PP-OCRv4_det_infer.onnx", [("x", "float32", "3x640x640")], (15, 0), batches=(1,)),
        Network(f"{ocr}/ch_PP-OCRv4_det_infer.onnx", [("x", "float32", "3x320x320")], (0, 8), batches=(16,)),
        Network(f"{ocr}/ch_PP-OCRv4_rec_infer.onnx", [("x", "float32", "3x48x320")], (50, 8)),
    ]


def measure_network(o, n, batch):
    """Cells of a row of the table, and the ratio to ONNX Runtime or None."""
    shapes = [(name, kind, f"{batch}x{shape}") for name, kind, shape in n.inputs]
    ours = [MUCMM, "bench", "graph", n.path, "--json", "--vjp", "--threads", o.threads, "--repeats", n.repeats[batch]]
    ours += [word for name, _, shape in shapes for word in ("--input-shape", f"{name}={shape}")]
    ours += ["--wrt", n.wrt] if n.wrt else []
    theirs = ["node", os.path.join(HERE, "peers", "ort.js"), n.path, "--threads", o.threads, "--repeats",
              n.repeats[batch]] + [f"{name}={kind}:{shape}" for name, kind, shape in shapes]
    ort = Program(f"ONNX Runtime, {n.name}, {batch}", lambda short: theirs, lambda r: -r["median_ms"],
                  [("-", {"NODE_PATH": os.path.join(PEERS, "node_modules")})])
    mucmm = Program(f"mucmm, {n.name}, {batch}", lambda short: ours, lambda r: -r["forward_ms"])
    measure_all([ort] if o.peers_only else [ort, mucmm], o.rounds)
    cells = [n.name, shapes[0][2], f"{ort.result['median_ms']:.2f}"]
    if o.peers_only:
        return cells + ["-"] * 4, None
    forward, both = (mucmm.result[key] for key in ("forward_ms", "forward_vjp_ms"))
    ratio = forward / ort.result["median_ms"]
    return cells + [f"{forward:.2f}", f"{ratio:.2f}", f"{both:.2f}", f"{both / forward:.2f}"], ratio


def graph(o, settings):
    rows, ratios = [], []
    for n in networks(o.shared):
        for batch in n.batches:
            if not os.path.exists(n.path):
                rows.append([n.name, "not there: " + n.path] + ["-"] * 5)
                continue
            cells, ratio = measure_network(o, n, batch)
            rows.append(cells)
            ratios += [ratio] if ratio else []
    if ratios:
        rows.append(["geometric mean", "", "", "", f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}", "", ""])
    table(f"Networks on {o.threads} threads: medians in milliseconds",
          ["network", "first input", "ONNX Runtime", "mucmm", "of ONNX Runtime's", "mucmm, forward and VJP",
           "of the forward pass's"], rows)


# ---- maps and reports of encoded pictures

EXPLAINED, STEPS, REPORTED = 100, 32, 5000


def picture_study(o, name, rows, views):
    """Writes WORK/name.json over the emoji of the shared folder, repeated to `rows` rows."""
    emoji, encoders = (os.path.join(os.path.abspath(o.shared), "data", d) for d in ("emoji", "encoders"))
    with open(os.path.join(emoji, "emoji.tsv"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(WORK, name + ".tsv"), "w", encoding="utf-8") as f:
        f.write("\n".join([lines[0]] + [lines[1 + i % (len(lines) - 1)] for i in range(rows)]) + "\n")
    images = {"kind": "image", "column": "file", "suffix": ".png", "size": 224, "normalize": "signed",
              "encoder": os.path.join(encoders, "mobilenetv1_025_224.onnx"), "tensor": "pooled"}
    words = {"kind": "text", "column": ["label", "tags"], "tokenizer": "words", "encoder": "tf-idf"}
    study = {"table": name + ".tsv", "split": {"test": 0.5, "seed": 1} if views == 2 else {"test": 0.01, "seed": 1},
             "views": {v: {**images, "folder": os.path.join(emoji, v)} for v in ("google", "twitter")[:views - 1]}}
    study["views"]["words"] = words
    path = os.path.join(WORK, name + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(study, f)
    return path


def timed(command):
    """Seconds and the most memory in MiB of a command that must succeed."""
    start = time.perf_counter()
    p = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    if status != 0:
        raise Failed(f"{' '.join(map(str, command))}: {said.strip().splitlines()[-1] if said.strip() else status}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def fit_study(o, study, common):
    model = study[:-len(".json")] + ".mucmm"
    timed([MUCMM, "fit", study, "--common", common, "--individual", 5, "--head", "linear", "--ridge", 2,
           "--threads", o.threads, "-o", model])
    return model


def explain(o, settings):
    study = picture_study(o, "explain", 400, 2)
    model = fit_study(o, study, 20)
    network = os.path.join(o.shared, "data", "encoders", "mobilenetv1_025_224.onnx")
    batches = (1, 8, 16)
    best = min(run(["node", os.path.join(HERE, "peers", "ort.js"), network, "--threads", o.threads, "--repeats",
                    200 // b, f"image=float32:{b}x3x224x224"], {"NODE_PATH": os.path.join(PEERS, "node_modules")}
                   )["median_ms"] / b for _ in range(o.rounds) for b in batches)
    forward = best * EXPLAINED * STEPS / 1000
    command = [MUCMM, "explain", model, study, "--samples", f"0-{EXPLAINED - 1}", "--method", "integrated-gradients",
               "--baseline", "zero", "--steps", STEPS, "--memory", o.memory, "--threads", o.threads, "-o",
               os.path.join(WORK, "maps")]
    runs = [timed(command) for _ in range(o.rounds)]
    seconds, peak = min(r[0] for r in runs), max(r[1] for r in runs)
    table(f"Integrated gradients of {EXPLAINED} pictures, {STEPS} steps, MobileNet 0.25 at 224, {o.threads} threads: the "
          f"whole command with its pictures, beside {EXPLAINED * STEPS} forward passes (the best of batches {batches})",
          ["mucmm explain", "ONNX Runtime, forward", "ratio", "--memory", "peak memory"],
          [[f"{seconds:.1f} s", f"{forward:.1f} s", f"{seconds / forward:.2f}", f"{o.memory} MiB", f"{peak:.0f} MiB"]])


def opening(page):
    """Seconds until the page is open and drawn in Chromium, by tests/browser; "-" without."""
    browser = os.path.join(ROOT, "build", "browser")
    if not os.path.exists(os.path.join(browser, "node_modules")) or not shutil.which("chromium"):
        return "- (tests/browser/run.sh build)"
    shutil.copy(os.path.join(ROOT, "tests", "browser", "check_page.js"), browser)
    done = subprocess.run(["node", os.path.join(browser, "check_page.js"), page, "", shutil.which("chromium")],
                          capture_output=True, text=True, check=False)
    found = re.search(r"# opened and drawn in ([0-9.]+) s", done.stdout)
    return f"{float(found[1]):.1f} s" if found else "failed"


def report(o, settings):
    study = picture_study(o, "report", REPORTED, 3)
    model, page = fit_study(o, study, 50), os.path.join(WORK, "report.html")
    command = [MUCMM, "report", model, study, "--part", "all", "--label", "label", "--threads", o.threads, "-o", page]
    runs = [timed(command) for _ in range(o.rounds)]
    table(f"A report of {REPORTED} samples: two views of pictures (MobileNet 0.25 at 224) and words, features cached, "
          f"{o.threads} threads", ["written in", "size", "opened in", "peak memory"],
          [[f"{min(r[0] for r in runs):.1f} s", f"{os.path.getsize(page) / 1e6:.1f} MB", opening(page),
            f"{max(r[1] for r in runs):.0f} MiB"]])


def main():
    a = argparse.ArgumentParser(prog="bench/run.sh", description="Speed of mucmm beside its peers.")
    a.add_argument("what", nargs="*", metavar="closed-form|train|permutation|graph|explain|report", help="default: all")
    a.add_argument("--rounds", type=int, default=3, help="of each measurement; the best counts")
    a.add_argument("--steps", type=int, default=20, help="train: timed steps of a round")
    a.add_argument("--common", type=int, default=50, help="closed-form: k")
    a.add_argument("--ridge", type=float, default=0.0,
                   help="closed-form: NumPy's, in units of the mean variance")
    a.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    a.add_argument("--slow", action="store_true", help="closed-form: scikit-learn too")
    a.add_argument("--memory", type=int, default=1024, help="explain: --memory of mucmm explain, MiB")
    a.add_argument("--shared", default=os.environ.get("MUCMM_SHARED", os.path.join(ROOT, "..", "shared")),
                   help="graph, explain, report: folder with data/encoders and data/emoji")
    a.add_argument("--peers-only", action="store_true", help="leave mucmm out")
    o = a.parse_args()
    parts = {"closed-form": closed_form, "train": training, "permutation": permutation, "graph": graph, "explain": explain, "report": report}
    for what in o.what:
        if what not in parts:
            a.error(f"'{what}' is none of {', '.join(parts)}")
    if not o.peers_only and not os.access(MUCMM, os.X_OK):
        sys.exit("bench/run.sh: build/cli/mucmm is missing; run 'make all' first")

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(o.threads)
    model, flags = cpu()
    versions = ", ".join(f"{n} {importlib.import_module(m).__version__}" for n, m in (
        ("NumPy", "numpy"), ("SciPy", "scipy"), ("statsmodels", "statsmodels"),
        ("scikit-learn", "sklearn"), ("PyTorch", "torch")))
    print(f"Processor  {model}{', AVX-512' if 'avx512f' in flags else ''}\n"
          f"Threads    {o.threads}\n"
          f"Load       {os.getloadavg()[0]:.2f} at the start\n"
          f"Peers      Python {platform.python_version()}, {versions}\n"
          f"Date       {time.strftime('%Y-%m-%d')}", flush=True)
    settings = list(blas_settings(flags)) or [("-", {})]
    try:
        for what in o.what or parts:
            parts[what](o, settings)
    except Failed as e:
        sys.exit(f"bench/run.sh: {e}")


if __name__ == "__main__":
    main()
