"""Peers' rules in own words, and the candidates. A judge sees one window at a time and answers (verdict, action).

verdict: ok | warn | unsure | insufficient | violation | missing; action: None | rollback | hold | page.
`ok` and `warn` feed the phase's success condition, `violation` and `missing` break it, the others do neither.
"""
import math
import numpy as np
from corpus import LIM_E, LIM_L
from stats import Evidence, RATIOS, RelativeEvidence, binom_sf, z_quantile

MIN = 50

class Obs:
    """What a window shows: counts of the exposed group, of the control group, how late it came."""
    __slots__ = ("w", "p", "t", "c", "missing", "late")
    def __init__(self, w, p, tr):
        self.w, self.p, self.missing, self.late = w, p, bool(tr.missing[w]), 31 + float(tr.late[w])
        self.t, self.c = tr.data[p]
    def g(self, name, control=False): return int((self.c if control else self.t)[name][self.w])
    def err(self, control=False):
        n = self.g("n", control); return self.g("k", control) / n if n else math.nan
    def p95(self, control=False): return float((self.c if control else self.t)["p95"][self.w])

def level(x, lim, ratio=.8):
    return "violation" if x > lim else "warn" if x > lim * ratio else "ok"

ORDER = {"ok": 0, "insufficient": 1, "warn": 2, "unsure": 3, "hold": 4, "missing": 5, "violation": 6}
def worst(vs): return max(vs, key=ORDER.get)

class Phasegate:
    """The gate as shipped: one window, point estimates, 50 saves at least; a missing or slow batch is a violation (SLO-1..8)."""
    name, collector = "phasegate now", "rollback"
    def reset(self, p): pass
    def step(self, o):
        lim_c = (180, 120, 120)[o.p]
        if o.missing or o.late > 300:
            return ("violation", "rollback") if self.collector == "rollback" else ("missing", self.collector)
        vs = [level(o.late, lim_c)]
        if vs[0] == "violation" and self.collector != "rollback": vs = ["warn"]
        vs.append("violation" if o.g("drift") else "ok")
        if o.g("n") < MIN: vs.append("insufficient")
        else:
            vs.append(level(o.err(), LIM_E[o.p])); vs.append(level(o.p95(), LIM_L[o.p]) if o.g("m") else "insufficient")
        # product's order: violation > warn > insufficient > ok (SLO-3)
        v = "violation" if "violation" in vs else "warn" if "warn" in vs else "insufficient" if "insufficient" in vs else "ok"
        return v, "rollback" if v == "violation" else None

class PhasegatePage(Phasegate):
    name, collector = "phasegate now, collector pages", "page"

class Counting:
    """Base for rules that count failed measurements of a metric; no minimum of samples in any of them."""
    def measures(self, o):
        if o.missing: return None                    # provider error
        if o.g("n") == 0: return []                  # no values
        return [o.err() > LIM_E[o.p], bool(o.p95() > LIM_L[o.p]), o.g("drift") > 0]
    def graded(self, o): return worst([level(o.err(), LIM_E[o.p]), level(o.p95(), LIM_L[o.p])]) if o.g("m") else "ok"

class Argo(Counting):
    """Failed > failureLimit fails the run (not consecutive), one run a phase; inconclusive > limit pauses; more than 4 errors in a row abort."""
    def __init__(self, limit): self.limit, self.name = limit, f"argo failureLimit {limit}"
    def reset(self, p): self.failed, self.errors, self.inconclusive = [0, 0, 0], 0, 0
    def step(self, o):
        m = self.measures(o)
        if m is None:
            self.errors += 1
            return ("missing", "rollback") if self.errors > 4 else ("insufficient", None)
        self.errors = 0
        if not m: return "insufficient", "hold"       # NaN meets neither condition: inconclusive, the rollout pauses
        for i, bad in enumerate(m): self.failed[i] += bad
        if any(f > lim for f, lim in zip(self.failed, (self.limit, self.limit, 0))): return "violation", "rollback"      # drift has a failureLimit of its own: 0
        return ("unsure" if any(m) else min(self.graded(o), "warn", key=ORDER.get)), None

class ArgoConsecutive(Counting):
    """A blip-tolerant Argo set-up: abort after `limit` failures in a row (asked for in argo-rollouts#4792), successes reset."""
    def __init__(self, limit): self.limit, self.name = limit, f"{limit} in a row"
    def reset(self, p): self.run = [0, 0, 0]
    def step(self, o):
        m = self.measures(o)
        if m is None: return "missing", None
        if not m: return "insufficient", None
        self.run = [r + 1 if bad else 0 for r, bad in zip(self.run, m)]
        if m[2] or max(self.run) >= self.limit: return "violation", "rollback"
        return ("unsure" if any(m) else min(self.graded(o), "warn", key=ORDER.get)), None

class Flagger(Counting):
    """Each failed check (a metric over its range, or no values) adds one; at `threshold` the canary goes; never reset in a run."""
    def __init__(self, threshold): self.threshold, self.name, self.failed = threshold, f"flagger threshold {threshold}", 0
    def begin(self): self.failed = 0
    def reset(self, p): self.failed = 0 if p is None else self.failed
    def step(self, o):
        m = self.measures(o)
        bad = m is None or not m or any(m)
        if bad: self.failed += 1
        if self.failed >= self.threshold: self.failed = 0; return "violation", "rollback"
        return ("unsure" if bad else min(self.graded(o), "warn", key=ORDER.get)), None

class TwoOfThree(Counting):
    name = "2 of 3 windows"
    def reset(self, p): self.last = []
    def step(self, o):
        if o.missing: return "missing", None
        if o.g("n") < MIN: return "insufficient", None
        m = self.measures(o); self.last = (self.last + [m])[-3:]
        if m[2] or any(sum(x[i] for x in self.last) >= 2 for i in range(2)): return "violation", "rollback"
        return ("unsure" if any(m) else min(self.graded(o), "warn", key=ORDER.get)), None

class BurnRate(Counting):
    """SRE workbook: budget = the limit (errors) and 5 % (slow saves); fires when long and short window both burn faster.
    14.4 over 1 h and 15 min (5 min there), 6 over 6 h and 30 min; with `ticket` also 1 over 3 d and 6 h."""
    def __init__(self, ticket): self.ticket, self.name = ticket, "burn rate" + (" with 1x tier" if ticket else " 14.4/6")
    def reset(self, p): self.h = []
    def step(self, o):
        if o.missing: return "missing", None
        self.h.append((o.g("k"), o.g("n"), o.g("ex"), o.g("m"), o.g("drift")))
        a = np.array(self.h)
        def burn(i, budget, length):
            s = a[-length:].sum(0); return s[i] / s[i + 1] / budget if s[i + 1] else 0.0
        tiers = [(14.4, 4, 1), (6, 24, 2)] + ([(1, 288, 24)] if self.ticket else [])
        hot = any(min(burn(i, b, long), burn(i, b, short)) > rate for rate, long, short in tiers for i, b in ((0, LIM_E[o.p]), (2, .05)))
        if hot or o.g("drift"): return "violation", "rollback"
        return min(self.graded(o), "warn", key=ORDER.get) if o.g("n") else "insufficient", None

class Kayenta(Counting):
    """Every hour the last 3 h (60 points of 3 min) against the control group, each metric: Mann–Whitney at 98 %; High if the lower
    confidence bound of the shift exceeds a quarter of its Hodges–Lehmann estimate; score = share of metrics that pass; < 75 fails.
    Drift and the absolute limits are not its business. Fewer than 12 points: no verdict."""
    z = z_quantile(.99)
    def __init__(self, forever): self.forever, self.name = forever, "kayenta hourly" if forever else "kayenta 3 h a phase"
    def reset(self, p): self.since = None
    def step(self, o):
        if self.since is None: self.since = o.w
        if o.missing: return "missing", None
        if (o.w - self.since) % 4 != 3 or (o.w - self.since > 11 and not self.forever): return "ok", None
        a = max(self.since, o.w - 11); s = slice(a, o.w + 1)
        def err(d):
            k, n = d["sk"][s].ravel(), d["sn"][s].ravel(); keep = n > 0; return k[keep] / n[keep]
        def lat(d):
            v = d["sp"][s].ravel(); return v[np.isfinite(v)]
        high = [self.high(f(o.t), f(o.c)) for f in (err, lat)]
        judged = [h for h in high if h is not None]
        if not judged: return "insufficient", None
        if 100 * sum(not h for h in judged) / len(judged) < 75: return "violation", "rollback"
        return "ok", None
    def high(self, x, y):
        x, y = iqr(x), iqr(y)
        if len(x) < 12 or len(y) < 12: return None
        if x.min() == x.max() == y.min() == y.max(): return False
        d = np.sort((x[:, None] - y[None, :]).ravel()); m, n = len(x), len(y)
        c = int(math.floor(m * n / 2 - self.z * math.sqrt(m * n * (m + n + 1) / 12)))
        lower, est = d[max(c - 1, 0)], float(np.median(d))
        return bool(lower > .25 * abs(est) and lower > 0)

def iqr(v, factor=3.0):
    if len(v) < 4: return v
    a, b = np.percentile(v, [25, 75]); r = factor * (b - a)
    return v[(v >= a - r) & (v <= b + r)] if r > 0 else v

class GrowthBook(Counting):
    """Cumulative since the phase began, exposed against control: one-sided always-valid bound (GAVI, alpha 5 %, tuned to 5,000) on
    the difference of the error rate and of the share of slow saves; above zero: roll back. Looked at every `every` windows."""
    def __init__(self, every): self.every, self.name, self.s = every, f"growthbook, every {every*15/60:g} h", np.zeros((2, 4))
    def begin(self): self.s = np.zeros((2, 4)); self.seen = 0
    def reset(self, p): self.begin()     # a new analysis a phase: the split between the groups changes with it
    def step(self, o):
        if o.missing: return "missing", None
        for g in (0, 1): self.s[g] += [o.g("k", g), o.g("n", g), o.g("ex", g), o.g("m", g)]
        self.seen += 1
        if self.seen % self.every: return "ok", None
        for i in (0, 2):
            if self.s[:, i + 1].min() < 1: return "insufficient", None
            (kt, nt), (kc, nc) = self.s[0, i:i + 2], self.s[1, i:i + 2]
            pt, pc = kt / nt, kc / nc
            n = nt + nc; var = (pt * (1 - pt) / nt + pc * (1 - pc) / nc) * n
            if kt + kc < 5 or var <= 0: continue
            alpha = .10; l = 2 * math.log(1 / alpha)
            rho = 5000 * var / (l + math.log(1 + l))
            b = math.sqrt((var * n + rho) * math.log((var * n + rho) / (rho * alpha ** 2))) / n
            if pt - pc - b > 0: return "violation", "rollback"
        return "ok", None

# ---------------------------------------------------------------- candidates
class ExactWindow(PhasegatePage):
    """K1: one window, violation only if an exact one-sided binomial test rejects `within the limit` at alpha; over the limit but
    not significant: unsure. A slow or missing batch pages and holds."""
    def __init__(self, alpha=1e-4): self.alpha, self.name = alpha, f"K1 exact window, alpha {alpha:g}"
    def step(self, o):
        if o.missing or o.late > 300: return "missing", "page"
        if o.g("drift"): return "violation", "rollback"
        if o.g("n") == 0: return "insufficient", None
        vs = [level(o.err(), LIM_E[o.p]), level(o.p95(), LIM_L[o.p]) if o.g("m") else "ok"]
        for i, (k, n, p0) in enumerate(((o.g("k"), o.g("n"), LIM_E[o.p]), (o.g("ex"), o.g("m"), .05))):
            if vs[i] == "violation" and binom_sf(k, n, p0) > self.alpha: vs[i] = "unsure"
        if "violation" in vs: return "violation", "rollback"
        if o.g("n") < MIN: return "insufficient", None
        return worst(vs), None

class Sequential:
    """K2..K4. Evidence that grows over the windows of an epoch. docs/judgement.md says what it is for."""
    def __init__(self, name, run_length=1000, control=False, sessions=False, gaps=False, ratios=None, spread=.15):
        self.spread = spread
        self.name, self.log_t, self.control, self.sessions, self.gaps = name, math.log(run_length), control, sessions, gaps
        self.ratios = ratios or RATIOS
    def reset(self, p):
        if p is None: return
        T = math.exp(self.log_t); self.ev = [Evidence(LIM_E[p], self.ratios, self.spread, T), Evidence(.05, self.ratios, self.spread, T)]; self.tail = [[], []]
        self.rel = [RelativeEvidence(), RelativeEvidence()]
        self.calm = [[], []]
        self.span = np.zeros((2, 4))                       # kt, nt, kc, nc since the evidence was last small
        self.recent, self.total, self.block, self.gap = [], np.zeros(4), 0, 0
    def counts(self, o, c):
        k, n, ex, m = (o.g(x, c) for x in ("k", "n", "ex", "m"))
        if self.sessions:
            top, top_n = o.g("topk", c), o.g("topn", c)
            if not c: self.squares = o.g("sq")
            if top >= 4 and 2 * top >= k and 2 * top_n <= n and top * n > k * top_n:     # one session makes half of the errors: judged without it
                k, n = k - top, n - top_n
                if not c: self.squares -= top * top
        return ((k, n, LIM_E[o.p]), (ex, m, .05))
    def step(self, o):
        if o.missing or o.late > 300:
            self.gap += 1                                  # people are told; a short gap does not break the run (with `gaps`)
            return ("insufficient" if self.gaps and self.gap < 4 else "missing"), "page"
        self.gap = 0
        if o.g("drift"): return "violation", "rollback"
        if o.g("n") == 0: return "insufficient", None
        t = self.counts(o, False); c = self.counts(o, True) if self.control else None
        self.recent = (self.recent + [(t[0][0], t[0][1], t[1][0], t[1][1])])[-16:]
        pooled = np.sum(self.recent, axis=0)
        out = []
        for i, (k, n, p0) in enumerate(t):
            if n == 0: continue
            outside, r = False, -math.inf
            if c:
                kc, nc, _ = c[i]
                r = self.rel[i].add(k, n, kc, nc)
                self.calm[i] = (self.calm[i] + [(kc, nc)])[-4:]         # the control group is over the limit as well, now or over the last hour
                k4, n4 = (sum(x) for x in zip(*self.calm[i]))
                outside = nc > 0 and min(binom_sf(kc, nc, p0), binom_sf(k4, n4, p0)) < .01
            before, kept = self.ev[i].value(), self.ev[i].m
            e = before if outside else self.ev[i].add(k, n, self.squares if self.sessions and i == 0 else None)
            if before <= 0: self.span[i] = 0
            if c: self.span[i] += (k, n, kc, nc)
            self.tail[i] = (self.tail[i] + [(k, n)])[-16:]                # little traffic: the shortest run of windows with enough
            while sum(x[1] for x in self.tail[i][1:]) >= MIN: self.tail[i] = self.tail[i][1:]
            ok, on = (sum(x) for x in zip(*self.tail[i]))
            over, regressed = ok / on > p0, r >= self.log_t
            if over and e >= self.log_t and not outside and c:
                kt, nt, kc, nc = (int(x) for x in self.span[i])
                if kc and nc and binom_sf(kc, nc, p0) < .5 and binom_sf(kt, kt + kc, 1.25 * nt / (1.25 * nt + nc)) > .01:
                    outside, self.ev[i].m = True, kept          # nothing of it is held against the version
            if not outside: self.total[2 * i:2 * i + 2] += (k, n)      # an outage of others is not in the whole stay
            if outside and over: v = "violation" if regressed else "hold"
            elif outside: v = level(ok / on, p0)
            elif over and e >= self.log_t: v = "violation"
            elif e >= self.log_t: v = "unsure"              # it was bad and this window is not: no rollback on old news
            elif regressed: v = "hold"                     # far above the control group, within the limit
            elif over: v = "unsure" if pooled[2 * i] / max(pooled[2 * i + 1], 1) > p0 else "warn"
            else: v = level(ok / on, p0)
            out.append(v)
        v = worst(out)
        if v == "violation": return v, "rollback"
        if v == "hold": return "unsure", "hold"
        self.block += o.g("n")                             # too little in one window: windows are put together until they say enough
        if self.block < MIN: return "pooling", None
        self.block = 0
        return v, None
    def may_promote(self, p):
        """The whole stay, put together, has to be within the limits."""
        k, n, ex, m = self.total
        return n > 0 and k / n <= LIM_E[p] and ex / max(m, 1) <= .05

def all_judges():
    return [Phasegate(), PhasegatePage(), Argo(0), Argo(3), Flagger(5), Flagger(10), TwoOfThree(), ArgoConsecutive(2), BurnRate(False), BurnRate(True),
            Kayenta(True), Kayenta(False), GrowthBook(1), GrowthBook(24), ExactWindow(),
            Sequential("reference, no control group", sessions=True, gaps=True),
            Sequential("reference, no sessions", control=True, gaps=True),
            Sequential("reference", control=True, sessions=True, gaps=True),
            Sequential("reference at 300", 300, control=True, sessions=True, gaps=True),
            Sequential("reference at 10,000", 10_000, control=True, sessions=True, gaps=True)]

def tuning():
    """Run lengths and mixtures, on another seed than the one that is reported."""
    few = (1.25, 2.0, 5.0)
    return [Sequential(f"K4 {r:g}{' few' if f else ''}{'' if c else ' nocontrol'}", r, c, True, True, f) for r in (100, 1000, 1e4, 1e5) for f in (None, few) for c in (True, False)]
