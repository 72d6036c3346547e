#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the .pt files beside this script, in a folder named after the torch that runs it: run with torch 1.13 and 2.15.

torch_zip.test.cpp knows every value: tensor i of n elements holds 100 * i, 100 * i + 1, …
"""
import argparse
import collections
import datetime
import os
import pathlib
import warnings

import torch

warnings.simplefilter("ignore")
TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
         torch.uint8, torch.bool]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 1)
        self.norm = torch.nn.BatchNorm2d(3)
        for i, tensor in enumerate(self.state_dict().values()):
            tensor.copy_((100 * i + torch.arange(tensor.numel())).reshape(tensor.shape))

    def forward(self, x):
        return self.norm(self.conv(x))


def kinds():
    base = torch.arange(24.).reshape(4, 6)
    tensors = {str(t).split(".")[1]: torch.arange(6).reshape(2, 3).to(t) for t in TYPES}
    parameter = torch.nn.Parameter(torch.arange(3.))
    marked = torch.nn.Parameter(torch.arange(3.), requires_grad=False)
    marked.note = "an attribute of its own"
    tensors.update({"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "shared": base, "transposed": base.t(),
                    "part": base[1:3, 1:5:2], "expanded": base[0].expand(3, 6), "parameter": parameter, "marked": marked,
                    "channels_last": torch.arange(24.).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)})
    return tensors


def extras():
    """What training scripts put beside the weights, in every way in which the protocols write it."""
    utc = datetime.timezone.utc
    return {"epoch": 3, "best": 0.5, "path": pathlib.PurePosixPath("runs/a"), "windows": pathlib.PureWindowsPath("C:/a"),
            "concrete": pathlib.Path("runs"), "saved": datetime.datetime(2026, 11, 29, 9, 30, tzinfo=utc),
            "date": datetime.date(2026, 11, 29), "time": datetime.time(9, 30), "took": datetime.timedelta(hours=2),
            "frozen": frozenset({1, 2}), "set": {3}, "empty set": set(), "bytes": b"abc", "long bytes": b"a" * 300,
            "array": bytearray(b"abc"), "long text": "text " * 80, "huge": 2**70, "range": range(3),
            "queue": collections.deque([1, 2]), "nested": {"list": [{"path": pathlib.PurePosixPath("b")}]}}


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch-" + ".".join(torch.__version__.split(".")[:2]))
    os.makedirs(folder, exist_ok=True)
    save = lambda content, name, **more: torch.save(content, os.path.join(folder, name), **more)  # noqa: E731
    net = Net()
    save(net.state_dict(), "state_dict.pt")
    save(kinds(), "kinds.pt")
    save({"weight": torch.arange(3.)}, "one.pt")
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    net.eval()(torch.ones(2, 2, 4, 4)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    prefixed = collections.OrderedDict(("module._orig_mod." + k, v) for k, v in Net().state_dict().items())
    save({"epoch": 3, "best": 0.5, "none": None, "huge": 2**70, "negative": -(2**40), "list": [1], "set": {1, 2},
          "flags": (True, False, "text", b"bytes"), "args": argparse.Namespace(lr=0.1, names=["a"]), "size": torch.Size([2]),
          "dtype": torch.float32, "device": torch.device("cpu"), "counter": collections.Counter("aab"),
          "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
          "checkpoint": {"nested": [{"deeper": ()}]}, "state_dict": prefixed}, "checkpoint.pt")
    save({"network_weights": Net().state_dict(), "trainer_name": "nnUNetTrainer"}, "network_weights.pt")
    save(net, "whole_module.pt")
    save(net.state_dict(), "legacy.pt", _use_new_zipfile_serialization=False)
    save(net.state_dict(), "protocol4.pt", pickle_protocol=4)
    for protocol in (2, 3, 4, 5):
        save({**extras(), "net": Net().state_dict()}, f"extras{protocol}.pt", pickle_protocol=protocol)
    save([torch.ones(1)], "list.pt")
    save({"c": torch.ones(1, dtype=torch.complex64)}, "complex.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), os.path.join(folder, "torchscript.pt"))
    if hasattr(torch, "uint16"):
        save({"w": torch.ones(3, dtype=torch.uint16)}, "uint16.pt")
        save({"w": torch.ones(3).untyped_storage()}, "storage.pt")


if __name__ == "__main__":
    main()
