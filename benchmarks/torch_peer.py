#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pam_bench's rival: the networks of python/pam_torch.py in Python, eager and under torch.compile, in both layouts.

A server that pam_bench --peer starts: it reads one JSON object per line and answers with one.
  {"op": "hello", "threads": 2}               -> {"torch": "2.15.0", "isa": "avx512"}
  {"op": "load", "net": {...}, "task": "infer", "device": "cpu", "dtype": "float32", "batch": 4, "size": [160, 160],
   "modes": ["eager", "compile"], "repeats": 5} -> {"mode": "compile nhwc", "ms": {"eager nchw": 401.2, ...}}
  {"op": "run", "steps": 3}                   -> {"ms": 213.4}, the mean of so many steps of the fastest of them
If a mode fails (torch.compile needs a compiler), the reason is returned in place of its milliseconds.
A training step is forward, soft Dice, backward, AdamW, in bf16 and fp16 under autocast, as pam_bench's is. Inference in
these types is tried under autocast and with the weights cast.
"""
import atexit
import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

import torch

spec = importlib.util.spec_from_file_location(
    "pam_torch", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python", "pam_torch.py"))
pam_torch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pam_torch)


def link_with_this_torch():
    """torch.compile links what it compiles with -L/usr/lib/... first. Where Debian's libtorch-dev is installed, that is
    another LibTorch; its check for vector instructions then fails, and the code that it generates without them is several
    times slower."""
    import torch._inductor.config
    folder = tempfile.mkdtemp(prefix="torch_peer_")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # not what an earlier run linked with the other one
    compiler = os.path.join(folder, "g++")
    with open(compiler, "w") as f:
        f.write('#!/bin/sh\nexec %s -L%s "$@"\n' % (os.environ.get("CXX", "g++"),
                                                  os.path.join(os.path.dirname(torch.__file__), "lib")))
    os.chmod(compiler, 0o755)
    torch._inductor.config.cpp.cxx = (compiler,)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def vector_instructions():
    """What torch.compile makes vector code for; "" where it has none, as in versions before 2.0."""
    try:
        from torch._inductor.cpu_vec_isa import pick_vec_isa
        return str(pick_vec_isa())
    except ImportError:
        return ""


def dice_loss(logits, target):
    """pam's soft Dice: of one channel, or one quotient over all classes."""
    if logits.shape[1] == 1:
        p, t = torch.sigmoid(logits[:, 0]), target
    else:
        p = torch.softmax(logits, 1)
        t = torch.nn.functional.one_hot(target.long(), logits.shape[1]).movedim(-1, 1).float()
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


def make_step(r, mode, layout, cast):
    """One step of the request `r`, as a function."""
    device, dtype = torch.device(r["device"]), getattr(torch, r["dtype"])
    torch.manual_seed(0)
    net = pam_torch.build(r["net"]).to(device)
    x = torch.randn(r["batch"], net.options["in_channels"], *r["size"], device=device)
    target = (torch.rand(r["batch"], *r["size"], device=device) > 0.9).float()
    if cast:
        net, x = net.to(dtype), x.to(dtype)
    if layout == "nhwc":
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    run = net if mode == "eager" else torch.compile(net, mode=None if mode == "compile" else mode)

    def autocast():  # torch 1.13 refuses float32 even where autocast is off
        if dtype == torch.float32 or cast:
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype=dtype)

    if r["task"] == "infer":
        net.eval()

        def infer():
            with torch.no_grad(), autocast():
                run(x)
        return infer

    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, **({"fused": True} if device.type == "cuda" else {}))

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            y = run(x)
        dice_loss(y.float(), target).backward()
        optimizer.step()
    return train


def timed(step, steps, device):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps * 1e3


def fresh_compiler():
    """torch.compile gives up on a function that was compiled for too many networks; this makes it forget them all."""
    if hasattr(torch, "compile"):
        torch._dynamo.reset()


def parts(name):
    mode, layout, *cast = name.split(" ")
    return mode, layout, bool(cast)


def load(r):
    """Tries every mode and layout; the fastest step and what each took."""
    took, best = {}, None
    for mode in r["modes"]:
        for layout in ("nchw", "nhwc"):
            for cast in (False, True) if r["dtype"] != "float32" and r["task"] == "infer" else (False,):
                name = " ".join([mode, layout] + ["cast"] * cast)
                fresh_compiler()
                try:
                    step = make_step(r, *parts(name))
                    for _ in range(3):
                        timed(step, 1, r["device"])
                    took[name] = statistics.median(timed(step, 1, r["device"]) for _ in range(r["repeats"]))
                except Exception as problem:  # a mode that this machine or version cannot do
                    took[name] = "%s: %s" % (type(problem).__name__, str(problem).strip().split("\n")[0][:200])
                    continue
                if best is None or took[name] < took[best]:
                    best = name
    if best is None:
        return None, took
    fresh_compiler()
    step = make_step(r, *parts(best))
    for _ in range(3):
        timed(step, 1, r["device"])
    return (best, step), took


def serve():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever torch.compile prints must not come between the replies
    best, device = None, "cpu"
    for line in sys.stdin:
        r = json.loads(line)
        if r["op"] == "hello":
            if r.get("threads"):
                torch.set_num_threads(r["threads"])
            torch.backends.cudnn.benchmark = True
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            if hasattr(torch, "compile"):
                link_with_this_torch()
            answer = {"torch": torch.__version__, "isa": vector_instructions()}
        elif r["op"] == "load":
            device = r["device"]
            best, took = load(r)
            answer = {"mode": best[0] if best else None, "ms": took}
        else:
            answer = {"ms": timed(best[1], r["steps"], device)}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


if __name__ == "__main__":
    if sys.argv[1:] != ["--serve"]:
        sys.exit(__doc__)
    serve()
