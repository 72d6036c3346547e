#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pam_bench's rivals: the networks of python/pam_torch.py, with pam's own weights, in PyTorch (eager, torch.compile), ONNX
Runtime, OpenVINO and ncnn.

A server that pam_bench --peer starts once for each mode: `peer.py --serve MODE`, where MODE is eager, compile, another
mode of torch.compile, onnxruntime, openvino or ncnn. It reads one JSON object per line and answers with one; whatever
fails is answered by {"failed": reason}.
  {"op": "hello", "threads": 2}              -> {"version": "torch 2.15.0 (avx512)"}
  {"op": "load", "variant": "nhwc cast", "weights": "net.safetensors", "input": "x.safetensors", "task": "infer",
   "device": "cpu", "dtype": "bfloat16", "repeats": 5, "output": "y.safetensors"}
                                             -> {"ms": 213.4}, the median of so many steps; writes the first output
  {"op": "run", "variant": "nhwc cast", "steps": 3} -> {"ms": 213.4}, the mean of so many steps
Variants are of PyTorch alone: "nchw" or "nhwc", and " cast" where the weights are cast to the type instead of autocast.
A training step is forward, soft Dice, backward, AdamW, in bf16 and fp16 under autocast, as pam_bench's is. The engines
get the network as ONNX (ncnn: as TorchScript, by pnnx), with the batch and the size fixed.
"""
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time


def load_pam_torch():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python", "pam_torch.py")
    spec = importlib.util.spec_from_file_location("pam_torch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Rival:
    """One mode. `load` returns a step: a function that computes once and returns the output as a tensor or array."""

    def __init__(self, mode, threads):
        self.mode, self.threads = mode, threads

    def finish(self):
        """Waits for the device."""

    def forget(self):
        """Another network comes: what was loaded before will not run again."""


def read_case(r):
    """(network, input) of a request."""
    import torch
    pam_torch = load_pam_torch()
    net = pam_torch.load(r["weights"])
    return net.eval(), pam_torch.read_safetensors(r["input"])[0]["x"].to(torch.float32)


# ------------------------------------------------------------------------------------------------------------ PyTorch


def link_with_this_torch():
    """torch.compile links what it compiles with -L/usr/lib/... first. Where Debian's libtorch-dev is installed, that is
    another LibTorch; its check for vector instructions then fails, and the code that it generates without them is several
    times slower. The compiler that puts the right folder first lies in the cache, which is therefore not shared with
    what an earlier run linked with the other LibTorch."""
    import torch
    import torch._inductor.config
    folder = os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pam", "inductor-" + torch.__version__))
    os.makedirs(folder, exist_ok=True)
    compiler = os.path.join(folder, "g++")
    with open(compiler + ".part", "w") as f:
        f.write('#!/bin/sh\nexec %s -L%s "$@"\n' % (os.environ.get("CXX", "g++"),
                                                  os.path.join(os.path.dirname(torch.__file__), "lib")))
    os.chmod(compiler + ".part", 0o755)
    os.replace(compiler + ".part", compiler)
    torch._inductor.config.cpp.cxx = (compiler,)


def vector_instructions():
    """What torch.compile makes vector code for; "" where it has none, as in versions before 2.0."""
    try:
        from torch._inductor.cpu_vec_isa import pick_vec_isa
        return str(pick_vec_isa())
    except ImportError:
        return ""


def dice_loss(logits, target):
    """pam's soft Dice: of one channel, or one quotient over all classes."""
    import torch
    if logits.shape[1] == 1:
        p, t = torch.sigmoid(logits[:, 0]), target
    else:
        p = torch.softmax(logits, 1)
        t = torch.nn.functional.one_hot(target.long(), logits.shape[1]).movedim(-1, 1).float()
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


class TorchRival(Rival):
    def __init__(self, mode, threads):
        super().__init__(mode, threads)
        import torch
        self.torch, self.cuda = torch, False
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        self.version = "torch " + torch.__version__
        if mode == "eager":
            return
        if not hasattr(torch, "compile"):
            raise RuntimeError("torch %s has no torch.compile" % torch.__version__)
        import torch._inductor.config
        # The number of threads is written into the generated code: as a setting it is part of the cache's key.
        torch._inductor.config.cpp.threads = threads
        link_with_this_torch()
        self.version += " (%s)" % vector_instructions()

    def finish(self):
        if self.cuda:
            self.torch.cuda.synchronize()

    def forget(self):
        if self.mode != "eager":
            self.torch._dynamo.reset()  # it gives up on a function that was compiled for too many networks

    def load(self, r):
        torch = self.torch
        layout, *cast = r["variant"].split(" ")
        device, dtype = torch.device(r["device"]), getattr(torch, r["dtype"])
        self.cuda = device.type == "cuda"
        net, x = read_case(r)
        net, x = net.to(device), x.to(device)
        if cast:
            net, x = net.to(dtype), x.to(dtype)
        if layout == "nhwc":
            net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
        run = net
        if self.mode != "eager":
            # dynamic=False: otherwise the second layout would be compiled for strides that are not known.
            run = torch.compile(net, mode=None if self.mode == "compile" else self.mode, dynamic=False)

        def autocast():  # torch 1.13 refuses float32 even where autocast is off
            if dtype == torch.float32 or cast:
                return contextlib.nullcontext()
            return torch.autocast(device.type, dtype=dtype)

        def infer():
            with torch.no_grad(), autocast():
                return run(x)

        if r["task"] == "infer":
            return infer
        net.train()
        torch.manual_seed(0)
        target = (torch.rand(x.shape[0], *x.shape[2:], device=device) > 0.9).float()
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, **({"fused": True} if self.cuda else {}))

        def train():
            optimizer.zero_grad(set_to_none=True)
            with autocast():
                y = run(x)
            dice_loss(y.float(), target).backward()
            optimizer.step()
            return y
        return train


# ------------------------------------------------------------------------------------------------------------ engines


def exported(r, net, x):
    """The network as ONNX, beside the weights; written by the first engine that asks."""
    path = os.path.splitext(r["weights"])[0] + ".onnx"
    if not os.path.exists(path):
        load_pam_torch().write_onnx(net, path + ".part", x.shape[2:])
        os.replace(path + ".part", path)
    return path


class OnnxRuntime(Rival):
    def __init__(self, mode, threads):
        super().__init__(mode, threads)
        import onnxruntime
        self.engine, self.version = onnxruntime, "onnxruntime " + onnxruntime.__version__

    def load(self, r):
        if r["dtype"] != "float32":
            raise RuntimeError("its CPU provider has no %s convolutions" % r["dtype"])
        net, x = read_case(r)
        how = self.engine.SessionOptions()
        how.intra_op_num_threads = self.threads
        how.add_session_config_entry("session.force_spinning_stop", "1")  # not in the others' turns
        for name, size in zip(("batch", "height", "width"), (x.shape[0], *x.shape[2:])):
            how.add_free_dimension_override_by_name(name, size)
        session = self.engine.InferenceSession(exported(r, net, x), how, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x.numpy()}
        return lambda: session.run(None, feed)[0]


class OpenVino(Rival):
    def __init__(self, mode, threads):
        super().__init__(mode, threads)
        import openvino
        self.engine, self.version = openvino, "openvino " + openvino.__version__.split("-")[0]

    def load(self, r):
        net, x = read_case(r)
        core = self.engine.Core()
        model = core.read_model(exported(r, net, x))
        model.reshape(list(x.shape))
        types = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
        request = core.compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": types[r["dtype"]], "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads}).create_infer_request()
        feed = {0: x.numpy()}
        return lambda: request.infer(feed)[0]


class Ncnn(Rival):
    """ncnn has no batches: it computes one image after the other."""

    def __init__(self, mode, threads):
        super().__init__(mode, threads)
        import ncnn
        import pnnx
        self.engine, self.converter, self.version = ncnn, pnnx, "ncnn " + ncnn.__version__

    def load(self, r):
        import numpy
        import torch
        net, x = read_case(r)
        base = os.path.splitext(r["weights"])[0]
        with torch.no_grad():
            torch.jit.trace(net, x[:1]).save(base + "_traced.pt")
        program = self.converter.EXEC_PATH
        found = subprocess.run([program, base + "_traced.pt", "inputshape=[1,%d,%d,%d]" % tuple(x.shape[1:]), "fp16=0"],
                               cwd=os.path.dirname(base), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if not os.path.exists(base + "_traced.ncnn.bin"):
            raise RuntimeError("pnnx wrote nothing: %s" % found.stdout.decode(errors="replace").strip()[-200:])
        model = self.engine.Net()
        model.opt.num_threads = self.threads
        model.opt.use_vulkan_compute = False
        for flag in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(model.opt, flag, r["dtype"] == "float16")
        model.opt.use_bf16_storage = r["dtype"] == "bfloat16"
        if model.load_param(base + "_traced.ncnn.param") != 0 or model.load_model(base + "_traced.ncnn.bin") != 0:
            raise RuntimeError("ncnn cannot read what pnnx wrote")
        images = [numpy.ascontiguousarray(image) for image in x.numpy()]

        def each():
            outputs = []
            for image in images:
                run = model.create_extractor()
                run.input("in0", self.engine.Mat(image))
                code, output = run.extract("out0")
                if code != 0:
                    raise RuntimeError("ncnn's error %d" % code)
                outputs.append(numpy.array(output))
            return numpy.stack(outputs)
        return each


# ------------------------------------------------------------------------------------------------------------- server


def reason(problem):
    lines = str(problem).strip().split("\n")
    return "%s: %s" % (type(problem).__name__, lines[0][:200])


def write_output(path, y):
    import torch
    y = y if torch.is_tensor(y) else torch.from_numpy(y)
    load_pam_torch().write_safetensors(path, {"y": y.detach().float()}, {})


class Server:
    def __init__(self, mode):
        self.mode, self.rival, self.steps, self.case = mode, None, {}, None

    def timed(self, step, steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        self.rival.finish()
        return (time.perf_counter() - start) / steps * 1e3

    def answer(self, r):
        if r["op"] == "hello":
            kinds = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn}
            self.rival = kinds.get(self.mode, TorchRival)(self.mode, r["threads"])
            return {"version": self.rival.version}
        if r["op"] == "run":
            return {"ms": self.timed(self.steps[r["variant"]], r["steps"])}
        if r["weights"] != self.case:  # another network: what was loaded before is not needed any more
            self.steps.clear()
            self.rival.forget()
            self.case = r["weights"]
        step = self.rival.load(r)
        write_output(r["output"], step())
        for _ in range(2):
            self.timed(step, 1)
        self.steps[r["variant"]] = step
        return {"ms": statistics.median(self.timed(step, 1) for _ in range(r["repeats"]))}


def serve(mode):
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the engines print must not come between the replies
    server = Server(mode)
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as problem:  # an engine that is missing, or a mode that this machine or version cannot do
            answer = {"failed": reason(problem)}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--serve":
        sys.exit(__doc__)
    serve(sys.argv[2])
