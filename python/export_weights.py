#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns any file that PyTorch can open into plain named tensors that pam loads.

Needs only Python and torch. For what pam itself refuses to open, because opening it means running code: whole pickled
modules (torch.save(model)), files from before PyTorch 1.6, TorchScript archives, checkpoints full of Python objects.

    python3 export_weights.py old.pth new.safetensors
    python3 export_weights.py model.pth new.pt --trust --path folder/with/Model.py

The output's extension chooses the format: .safetensors, or .pt/.pth for torch.load(weights_only=True).
"""
import argparse
import ctypes
import json
import os
import pickle
import struct
import sys
import tempfile
import warnings

import torch

SECTIONS = ("state_dict", "model_state_dict", "model", "network_weights")
TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}


class Refusal(Exception):
    """Input that cannot be exported; the message says what to do."""


def open_file(path, trust):
    """What torch can read from `path`: without running code from it, unless `trust`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise Refusal(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:  # "Weights only load failed. …WeightsUnpickler error: Unsupported class …"
        reason = (f"torch {torch.__version__} opens it only by running code from the file "
                  f"({str(error).rpartition('error: ')[2]}). pam reads most checkpoints itself, those of Lightning and "
                  "of pickle protocols 2 to 5 among them: try this file there first.")
    except Exception:  # torch raises many types here, for damage and for objects alike
        reason = "is damaged, or holds objects that cannot be opened without running code from the file."
    if not trust:
        raise Refusal(f"{path}: {reason} If you trust where it comes from, add --trust (and --path for the classes it "
                      "needs).")
    try:
        return torch.jit.load(path, map_location="cpu")
    except Exception:
        pass
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        hint = " Add --path with the folder of the Python files that define it." if isinstance(
            error, (ModuleNotFoundError, AttributeError)) else ""
        raise Refusal(f"{path}: {type(error).__name__}: {error}.{hint}") from None


def find_tensors(content, section, path):
    """The dict of tensors in `content`: a module's state_dict, a dict of tensors, or a section of a checkpoint."""
    if section:
        if not isinstance(content, dict) or section not in content:
            keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
            raise Refusal(f"{path}: has no section '{section}'; it has: {keys}")
        content = content[section]
    while True:
        if hasattr(content, "state_dict") and callable(content.state_dict):
            content = content.state_dict()
        if not isinstance(content, dict):
            raise Refusal(f"{path}: holds {type(content).__name__}, neither a module nor a dict of tensors")
        inner = None if section else next((content[key] for key in SECTIONS if key in content
                                           and not isinstance(content[key], torch.Tensor)), None)
        if inner is None:
            break
        content = inner
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    left = [str(name) for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if not tensors:
        raise Refusal(f"{path}: no tensors found; its keys are {', '.join(left)}. Name the right one with --section")
    return tensors, left


def without_prefix(tensors, prefix, path):
    """The tensors whose names begin with `prefix`, without it."""
    if not prefix:
        return tensors
    inner = {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
    if not inner:
        raise Refusal(f"{path}: no name begins with '{prefix}'; they are {', '.join(list(tensors)[:5])} …")
    return inner


def plain(name, tensor):
    """`tensor` on the CPU, dense, contiguous, with a storage of its own."""
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.detach().to("cpu").contiguous().clone()
    if tensor.dtype not in TYPES:
        raise Refusal(f"tensor '{name}' has type {tensor.dtype}, which pam does not read; convert it first")
    return tensor


def tensor_bytes(tensor):
    """The bytes of a contiguous CPU tensor, without numpy."""
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""


def write_safetensors(out, tensors, metadata):
    """https://github.com/huggingface/safetensors#format, larger element types first so that all data are aligned."""
    header = {"__metadata__": {"format": "pt", **metadata}}
    order = sorted(tensors, key=lambda name: -tensors[name].element_size())
    end, spans = 0, {}
    for name in order:
        size = tensors[name].numel() * tensors[name].element_size()
        spans[name] = [end, end + size]
        end += size
    for name, tensor in tensors.items():
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": spans[name]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(struct.pack("<Q", len(text)) + text)
    for name in order:
        out.write(tensor_bytes(tensors[name]))


def write(path, tensors, metadata):
    """Writes to a temporary file beside `path` and renames it, so that no half-written file is left."""
    extension = os.path.splitext(path)[1]
    if extension not in (".safetensors", ".pt", ".pth"):
        raise Refusal(f"{path}: the output must end in .safetensors, .pt or .pth")
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as out:
            if extension == ".safetensors":
                write_safetensors(out, tensors, metadata)
            else:
                torch.save(tensors, out)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="anything that torch.load or torch.jit.load opens")
    parser.add_argument("output", help="file to write: .safetensors, .pt or .pth")
    parser.add_argument("--section", default="", help="key of a checkpoint under which the weights lie")
    parser.add_argument("--key-prefix", default="", metavar="PREFIX",
                        help="take the weights whose names begin with this, such as model., and take it off them")
    parser.add_argument("--trust", action="store_true", help="allow the input to run code (whole pickled modules do)")
    parser.add_argument("--path", action="append", default=[], metavar="DIR", help="folder of Python files it needs")
    parser.add_argument("--reversed", choices=("true", "false"), help="note whether it was trained on reversed labels "
                        "(.safetensors only; nets like RFNA ask for it)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.path[:0] = arguments.path
    try:
        found, left = find_tensors(open_file(arguments.input, arguments.trust), arguments.section, arguments.input)
        found = without_prefix(found, arguments.key_prefix, arguments.input)
        tensors = {name: plain(name, tensor) for name, tensor in found.items()}
        if arguments.reversed and not arguments.output.endswith(".safetensors"):
            raise Refusal("--reversed needs a .safetensors output, which has a place for it")
        metadata = {"pam.reversed": arguments.reversed} if arguments.reversed else {}
        write(arguments.output, tensors, metadata)
    except (Refusal, OSError) as error:
        print(f"export_weights: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.output}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} values"
          + (f"; left out, being no tensors: {', '.join(left)}" if left else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
