#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pam_bench's rival: the networks of tools/pam_torch.py in Python, eager and under torch.compile, in both layouts.

A server that pam_bench --peer starts: one JSON object a line comes in, one goes out.
  {"op": "hello", "threads": 2}               -> {"torch": "2.15.0"}
  {"op": "load", "net": {...}, "task": "infer", "device": "cpu", "dtype": "float32", "batch": 4, "size": [160, 160],
   "modes": ["eager", "compile"], "repeats": 5} -> {"mode": "compile nhwc", "ms": {"eager nchw": 401.2, ...}}
  {"op": "run", "steps": 3}                   -> {"ms": 213.4}, the mean of so many steps of the fastest of them
What fails in one mode (torch.compile needs a compiler) is told in place of its milliseconds; the others go on.
A training step is forward, soft Dice, backward, AdamW, in bf16 and fp16 under autocast, as pam_bench's is. Inference in
these types is tried under autocast and with the weights cast.
"""
import importlib.util
import json
import os
import statistics
import sys
import time

import torch

spec = importlib.util.spec_from_file_location(
    "pam_torch", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "pam_torch.py"))
pam_torch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pam_torch)


def make_step(r, mode, layout, cast):
    """One step of the request `r`, as a function."""
    device, dtype = torch.device(r["device"]), getattr(torch, r["dtype"])
    torch.manual_seed(0)
    net = pam_torch.build(r["net"]).to(device)
    channels, classes = net.options["in_channels"], net.options["classes"]
    x = torch.randn(r["batch"], channels, *r["size"], device=device)
    target = (torch.rand(r["batch"], *r["size"], device=device) > 0.9).float()
    if cast:
        net, x = net.to(dtype), x.to(dtype)
    if layout == "nhwc":
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    run = net if mode == "eager" else torch.compile(net, mode=None if mode == "compile" else mode)

    def autocast():
        return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32 and not cast)

    if r["task"] == "infer":
        net.eval()

        def infer():
            with torch.no_grad(), autocast():
                run(x)
        return infer

    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=device.type == "cuda")

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            y = run(x)
        if classes == 1:
            loss = pam_torch.dice_loss(y[:, 0].float(), target)
        else:
            loss = torch.nn.functional.cross_entropy(y.float(), target.long())
        loss.backward()
        optimizer.step()
    return train


def timed(step, steps, device):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps * 1e3


def load(r):
    """Tries every mode and layout; the fastest step and what each took."""
    took, best = {}, None
    for mode in r["modes"]:
        for layout in ("nchw", "nhwc"):
            for cast in (False, True) if r["dtype"] != "float32" and r["task"] == "infer" else (False,):
                name = " ".join([mode, layout] + ["cast"] * cast)
                torch._dynamo.reset() if hasattr(torch, "_dynamo") else None
                try:
                    step = make_step(r, mode, layout, cast)
                    for _ in range(3):
                        timed(step, 1, r["device"])
                    took[name] = statistics.median(timed(step, 1, r["device"]) for _ in range(r["repeats"]))
                except Exception as problem:  # a mode that this machine or version cannot do
                    took[name] = "%s: %s" % (type(problem).__name__, str(problem).strip().split("\n")[0][:200])
                    continue
                if best is None or took[name] < took[best[0]]:
                    best = (name, step)
    return best, took


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
            answer = {"torch": torch.__version__}
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
