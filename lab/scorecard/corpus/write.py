"""Writes a seed's corpus for the scorecard, one rollout a line of JSON: `write.py --seed 2 > seed-2.jsonl`. README.md says what a line holds.

`--rules` adds how the rules of peers did (`evaluate.walk`), `--log` what the reference of Phasegate's own rule says of every window.
`--each 1` takes so many rollouts of each class; which ones differs between classes, so that errors and latency both occur.
"""
import argparse, json, math, sys
try:
    import numpy as np
except ImportError:
    sys.exit("write.py needs numpy: `pip install numpy`, or `pip install --target DIR numpy` and PYTHONPATH=DIR")
import corpus, evaluate, judges
from corpus import W


def reference(): return judges.Sequential("reference", control=True, sessions=True, gaps=True)


def runs(values):
    """[value, how often in a row]"""
    out = []
    for v in values:
        if out and out[-1][0] == v: out[-1][1] += 1
        else: out.append([v, 1])
    return out


def slow_share(tr, phase):
    """The version's own share of saves above the phase's limit, by its p95: latencies are log-normal."""
    z = (math.log(corpus.LIM_L[phase]) - np.log(tr.p95_t[phase])) / tr.sigma + 1.6448536
    return [float(f"{.5 * math.erfc(x / math.sqrt(2)):.6g}") for x in z]


def excess(tr, phase):
    """In six figures, on the same side of 1."""
    def short(x):
        s = float(f"{x:.6g}") if math.isfinite(x) else 1e9
        return 1.000001 if x > 1 and s <= 1 else s
    return [short(x) for x in tr.excess[phase]]


def line(tr, seed):
    phases = []
    for p in range(3):
        t, c = tr.data[p]
        assert (t["m"] == t["n"] - t["k"]).all() and (c["m"] == c["n"] - c["k"]).all()
        whole = lambda a: [int(x) for x in a]
        ms = [0 if math.isnan(x) else 10 * round(100 * x) for x in t["p95"]]        # which side of the limit it is on is said by ex
        whose = dict(top=whole(t["topk"]), top_n=whole(t["topn"]), squares=whole(t["sq"]), control=dict(n=whole(c["n"]), k=whole(c["k"]), ex=whole(c["ex"]), top=whole(c["topk"]), top_n=whole(c["topn"])))
        phases.append(dict(n=whole(t["n"]), k=whole(t["k"]), ex=whole(t["ex"]), p95=ms, drift=[[w, int(x)] for w, x in enumerate(t["drift"]) if x], **whose,
            excess=runs(excess(tr, p)), errors=runs(float(f"{x:.6g}") for x in tr.err_t[p]), slow=runs(slow_share(tr, p)),
            worse=runs(int(a or b) for a, b in zip(tr.err_t[p] / tr.err_c[p] > 1.1, tr.p95_t[p] / tr.p95_0 > 1.1))))
    return dict(seed=seed, id=tr.id, cls=tr.cls, kind=tr.kind, size=tr.size if tr.size != math.inf else None, metric=tr.metric,
        missing=[w for w in range(W) if tr.missing[w]], late=[[w, round(float(x), 3)] for w, x in enumerate(tr.late) if x], phases=phases)


def log(tr):
    """Per phase, as if the rollout stayed there: evidence and design effect of errors and of latency, and the verdict."""
    out = []
    for p in range(3):
        j = reference(); j.reset(p); e, d, v = [[], []], [[], []], []
        for w in range(W):
            v.append(j.step(judges.Obs(w, p, tr))[0])
            for i in (0, 1):
                x = j.ev[i].value(); e[i].append(None if x == -math.inf else round(float(x), 6)); d[i].append(round(float(j.ev[i].d), 6))
        out.append(dict(errors=dict(e=e[0], d=d[0]), latency=dict(e=e[1], d=d[1]), verdicts=v))
    return out


def rules(names):
    return [j for j in judges.all_judges() if not names or j.name.startswith(tuple(names))]


def chosen(a):
    for i, (cls, (count, _)) in enumerate(corpus.CLASSES.items()):
        if a.only and cls not in a.only: continue
        for j in (range(count) if not a.each else sorted({(i + x) % count for x in range(a.each)})): yield corpus.Trace(cls, j, a.seed)


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0]); ap.add_argument("--seed", type=int, required=True); ap.add_argument("--only", nargs="*", help="classes")
    ap.add_argument("--each", type=int, help="so many rollouts of each class"); ap.add_argument("--part", default="0/1", help="every n-th rollout from the i-th on: i/n")
    ap.add_argument("--rules", nargs="*", help="judge by the rules whose names begin so; none named: by all"); ap.add_argument("--log", action="store_true", help="what the reference says of every window")
    a = ap.parse_args(); i, n = map(int, a.part.split("/"))
    for number, tr in enumerate(chosen(a)):
        if number % n != i: continue
        tr.world(); out = line(tr, a.seed)
        if a.rules is not None: out["rules"] = {j.name: evaluate.walk(tr, j) for j in rules(a.rules)}
        if a.log: out["log"] = log(tr)
        print(json.dumps(out, separators=(",", ":")), flush=True)
