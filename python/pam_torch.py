#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every network of pam's zoo as plain PyTorch, with the same parameter names: a home in Python for weights from C++.

As a program (only torch is needed; numpy for .npy files, onnx and onnxruntime for --onnx):

  pam_torch.py --list                                          names and parameter counts at 4 input channels
  pam_torch.py --weights fpa.safetensors                       what the file holds
  pam_torch.py --weights fpa.pt --net fpa --in-channels 4      the same for weights that do not say which net they are of
  pam_torch.py --weights fpa.safetensors --input x.npy --output p.npy     probabilities, reversed labels undone
  pam_torch.py --weights fpa.safetensors --save fpa.pt         convert, either way
  pam_torch.py --weights fpa.safetensors --onnx fpa.onnx       export, and compare with onnxruntime where it is installed
  pam_torch.py --net fpa --in-channels 4 --golden DIR          a test file: random weights, input, output, gradients
  pam_torch.py --check FILE...                                 compares such files, from here or from C++
  pam_torch.py --compare A.safetensors B.safetensors           largest difference of two files' tensors, by name

As a module: net = pam_torch.load("fpa.safetensors"); net(x) gives logits, pam_torch.predict(net, x) probabilities.
A net's options are the JSON that C++'s Network::options() writes; it travels in the weights' metadata as "pam.net".
Needs Python 3.9 or newer and torch 1.13 or newer.
"""
import argparse
import copy
import ctypes
import json
import os
import pickle
import struct
import sys
import zipfile

import torch
import torch.nn as nn
import torch.nn.functional as F

# ------------------------------------------------------------------------------------------------ layers and blocks


class ConvNormAct(nn.Module):
    def __init__(self, cin, cout, kernel_size=3, stride=1, dilation=1, depthwise=False, norm_act=True):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel_size, stride, dilation * (kernel_size - 1) // 2, dilation,
                              groups=cin if depthwise else 1, bias=False)
        self.norm = nn.InstanceNorm2d(cout, affine=True) if norm_act else None

    def forward(self, x, stride=None):
        c = self.conv
        y = c(x) if stride is None else F.conv2d(x, c.weight, None, stride, c.padding, c.dilation, c.groups)
        return y if self.norm is None else F.relu(self.norm(y))


class ConvBlock(nn.Module):
    def __init__(self, o, cin, cout, stride, dilation=1):
        super().__init__()
        self.conv1 = ConvNormAct(cin, cout, stride=stride, dilation=dilation)
        self.conv2 = ConvNormAct(cout, cout, dilation=dilation)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class DilatedBlock(ConvBlock):
    def __init__(self, o, cin, cout, stride):
        super().__init__(o, cin, cout, stride, o["dilation"])


class FalsePositiveAttention(nn.Module):
    def __init__(self, o, cin, cout, stride):
        super().__init__()
        self.o = o
        self.main = ConvBlock({}, cin, cout, stride)
        if not o["branch"]:
            return
        m = o["expansion"] * cout
        self.expand = nn.Conv2d(cin, m, 1, stride, bias=False)
        self.dilated = ConvNormAct(m, m, dilation=o["dilation"], depthwise=o["depthwise"])
        if not o["share_weights"]:
            self.dilated2 = ConvNormAct(m, m, dilation=o["dilation"], depthwise=o["depthwise"])
        self.project = nn.Conv2d(m, cout, 1, bias=False)

    def forward(self, x):
        f = self.main(x)
        if not self.o["branch"]:
            return f
        second = self.dilated if self.o["share_weights"] else self.dilated2
        y = f * torch.sigmoid(self.project(second(self.dilated(self.expand(x)))))
        return y + f if self.o["identity"] else y


class ReverseFalseNegativeAttention(nn.Module):
    """In the paper's order: the projection comes after the upsampling (pam's C++ projects first, which is the same)."""

    def __init__(self, o, cin, cout, stride):
        super().__init__()
        self.o, ratio, m = o, o["ratio"], o["expansion"] * cout
        self.main = ConvBlock({}, cin, cout, stride)
        if not o["branch"]:
            return
        self.from_input = o["input"] == "input"
        self.steps = {2: 0, 4: 1}.get(ratio, 2) if o["prune_convolutions"] else 2  # convolutions after E
        if o["residual"] and (ratio > 2 or self.steps < 2):
            raise ValueError("residual needs D2 and D3 to keep the size (ratio 1, or 2 with prune_convolutions=false)")
        self.last_stride = 2 if ratio == 8 else 1
        self.expand = ConvNormAct(cin if self.from_input else cout, m, 1,
                                  (stride if self.from_input else 1) * (2 if ratio >= 2 else 1),
                                  norm_act=o["expand_norm"])
        if self.steps == 1:  # a name of its own: shared weights of D3(D2(.)) have the same shapes
            self.down = ConvNormAct(m, m, stride=2, depthwise=o["depthwise"])
        if self.steps == 2:
            self.down2 = ConvNormAct(m, m, stride=2 if ratio >= 4 else 1, depthwise=o["depthwise"])
        if self.steps > 1 and not o["share_weights"]:
            self.down3 = ConvNormAct(m, m, stride=self.last_stride, depthwise=o["depthwise"])
        self.project = nn.Conv2d(m, cout, 1, bias=False)
        if self.from_input:
            self.shortcut = nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, x):
        f = self.main(x)
        if not self.o["branch"]:
            return f
        a = self.expand(x if self.from_input else f)
        if self.steps == 1:
            a = self.down(a)
        if self.steps == 2:
            a = a + self.down2(a) if self.o["residual"] else self.down2(a)
            b = self.down2(a, self.last_stride) if self.o["share_weights"] else self.down3(a)
            a = a + b if self.o["residual"] else b
        a = upsample(a, f)
        y = f * torch.sigmoid(self.project(a) + (self.shortcut(x) if self.from_input else f))
        return y + f if self.o["identity"] else y


def upsample(x, like):
    """x at the height and width of `like`."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


# ----------------------------------------------------------------------------------------------------- attentions


class SpatialChannelSqueezeExcite(nn.Module):
    def __init__(self, o, c):
        super().__init__()
        self.o, inner = o, max(1, c // o["reduction"])
        self.squeeze = nn.Conv2d(c, inner, 1, bias=o["bias"])
        self.expand = nn.Conv2d(inner, c, 1, bias=o["bias"])
        self.spatial = nn.Conv2d(c, 1, 1, bias=o["bias"])

    def forward(self, x):
        channel = x * torch.sigmoid(self.expand(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        pixel = x * torch.sigmoid(self.spatial(x))
        y = pixel + channel if self.o["fusion"] == "sum" else torch.maximum(channel, pixel)
        return y + x if self.o["residual"] else y


class CBAM(nn.Module):
    def __init__(self, o, c):
        super().__init__()
        self.o, inner, k = o, max(1, c // o["reduction"]), o["kernel_size"]
        self.squeeze = nn.Conv2d(c, inner, 1, bias=o["bias"])
        self.expand = nn.Conv2d(inner, c, 1, bias=o["bias"])
        self.spatial = nn.Conv2d(2, 1, k, padding=k // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01) if o["spatial_norm"] else None

    def forward(self, x):
        def mix(pooled):
            return self.expand(F.relu(self.squeeze(pooled)))
        passed = x * torch.sigmoid(mix(F.adaptive_avg_pool2d(x, 1)) + mix(F.adaptive_max_pool2d(x, 1)))
        planes = [passed.mean(1, keepdim=True), passed.max(1, keepdim=True)[0]]
        a = self.spatial(torch.cat(planes[::-1] if self.o["max_first"] else planes, 1))
        y = passed * torch.sigmoid(a if self.norm is None else self.norm(a))
        return y + x if self.o["residual"] else y


class GlobalContext(nn.Module):
    def __init__(self, o, c):
        super().__init__()
        if o["norm"] not in ("layer", "none"):
            raise ValueError("GlobalContext: an instance norm of the 1x1 context is a constant; use layer or none")
        self.o, inner = o, max(1, c // o["reduction"])
        self.mask = nn.Conv2d(c, 1, 1, bias=o["bias"])
        self.squeeze = nn.Conv2d(c, inner, 1, bias=o["bias"])
        self.norm = nn.LayerNorm([inner, 1, 1]) if o["norm"] == "layer" and inner > 1 else None
        self.expand = nn.Conv2d(inner, c, 1, bias=o["bias"])
        if o["kaiming_init"]:
            nn.init.kaiming_normal_(self.mask.weight, mode="fan_in", nonlinearity="relu")
        if o["zero_init"]:
            for p in self.expand.parameters():
                nn.init.zeros_(p)

    def forward(self, x):
        weights = torch.softmax(self.mask(x).flatten(2), 2)
        t = self.squeeze(torch.bmm(x.flatten(2), weights.transpose(1, 2)).unsqueeze(3))
        t = self.expand(F.relu(t if self.norm is None else self.norm(t)))
        if self.o["fusion"] == "add":
            return x + t
        y = x * (torch.sigmoid(t) if self.o["fusion"] == "scale" else t)
        return y + x if self.o["residual"] else y


class AttentionGate(nn.Module):
    def __init__(self, o, cgate, cskip):
        super().__init__()
        self.o, inner, s = o, max(1, cskip // o["reduction"]), o["theta_stride"]
        self.phi = nn.Conv2d(cgate, inner, 1)
        self.theta = nn.Conv2d(cskip, inner, s, s, bias=o["theta_bias"])
        self.psi = nn.Conv2d(inner, 1, 1)
        if o["output"]:
            self.output, self.output_norm = nn.Conv2d(cskip, cskip, 1), nn.BatchNorm2d(cskip)
        if o["kaiming_init"]:
            for conv in [m for m in self.children() if isinstance(m, nn.Conv2d)]:
                nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, gate, skip):
        normed = F.instance_norm if self.o["norm"] else (lambda v: v)
        theta = self.theta(skip)
        # The gate is upsampled first, as the paper's authors do it.
        hidden = F.relu(normed(self.phi(upsample(gate, theta))) + normed(theta))
        y = skip * upsample(torch.sigmoid(normed(self.psi(hidden))), skip)
        y = y + skip if self.o["residual"] else y
        return self.output_norm(self.output(y)) if self.o["output"] else y


class Attended(nn.Module):
    """A ConvBlock, then an attention unless it is switched off."""
    attention_type = None

    def __init__(self, o, cin, cout, stride):
        super().__init__()
        self.block = ConvBlock(o["block"], cin, cout, stride)
        self.attention = self.attention_type(o["attention"], cout) if o["attend"] else None

    def forward(self, x):
        y = self.block(x)
        return y if self.attention is None else self.attention(y)


class AttendedScse(Attended):
    attention_type = SpatialChannelSqueezeExcite


class AttendedCbam(Attended):
    attention_type = CBAM


class AttendedContext(Attended):
    attention_type = GlobalContext


# ----------------------------------------------------------------------------------------------------------- nets


class ConcatSkip(nn.Module):
    def __init__(self, o, cdeep, cskip):
        super().__init__()

    def forward(self, deep, skip):
        return torch.cat([upsample(deep, skip), skip], 1)


class GatedSkip(nn.Module):
    def __init__(self, o, cdeep, cskip):
        super().__init__()
        self.gate = AttentionGate(o["gate"], cdeep, cskip) if o["gated"] else None

    def forward(self, deep, skip):
        gated = skip if self.gate is None else self.gate(deep, skip)
        return torch.cat([upsample(deep, skip), gated], 1)


class UNet(nn.Module):
    """The paper's backbone over any blocks. `types`: the classes of stage, bridge, decoder, skip and stem."""

    def __init__(self, types, options):
        super().__init__()
        stage, bridge, decoder, skip, stem = types
        o, w, depth = options, options["width"], options["depth"]
        if o["reversed"] and o["classes"] != 1:
            raise ValueError("reversed labels are binary (1 - label), got classes=%d" % o["classes"])
        self.options, self.reversed, self.depth = options, o["reversed"], depth

        def pick(key, i):
            if len(o[key]) not in (1, depth):
                raise ValueError("%s must hold one prototype or one per level (%d)" % (key, depth))
            return o[key][0 if len(o[key]) == 1 else i]
        self.stem = stem(o["stem"], o["in_channels"], w, 1)
        for i in range(1, depth + 1):
            setattr(self, "stage%d" % i, stage(pick("stages", i - 1), w << (i - 1), w << i, 2))
        self.bridge = bridge(o["bridge"], w << depth, w << depth, 1)
        for i in range(depth):
            up, deep = w << i, w << (i + 1)
            setattr(self, "skip%d" % i, skip(pick("skips", i), deep, up))
            setattr(self, "decoder%d" % i, decoder(pick("decoders", i), up + deep, up, 1))
        self.head = nn.Conv2d(w, o["classes"], 1, bias=False)

    def forward(self, x):
        features = [self.stem(x)]
        for i in range(1, self.depth + 1):
            features.append(getattr(self, "stage%d" % i)(features[-1]))
        y = self.bridge(features.pop())
        for i in reversed(range(self.depth)):
            y = getattr(self, "decoder%d" % i)(getattr(self, "skip%d" % i)(y, features[i]))
        return self.head(y)


# ------------------------------------------------------------------------------------------------ names and options

FPA = dict(branch=True, depthwise=True, dilation=9, expansion=4, identity=True, share_weights=True)
RFNA = dict(branch=True, depthwise=True, expand_norm=True, expansion=8, identity=True, input="features",
            prune_convolutions=True, ratio=8, residual=False, share_weights=True)
SCSE = dict(bias=False, fusion="sum", reduction=8, residual=False)
CBAM_PAPER = dict(bias=False, kernel_size=3, max_first=False, reduction=16, residual=True, spatial_norm=False)
CONTEXT = dict(bias=False, fusion="multiply", kaiming_init=False, norm="layer", reduction=8, residual=True,
               zero_init=False)
GATE = dict(kaiming_init=False, norm=True, output=False, reduction=2, residual=True, theta_bias=True, theta_stride=1)


def preset(name, depth=3):
    """(types, options) of a network by its name in the zoo."""
    types = [ConvBlock, ConvBlock, ConvBlock, ConcatSkip, ConvBlock]
    o = dict(name=name, in_channels=0, classes=1, width=64 if name == "wunet" else 32, depth=depth, reversed=False,
             stem={}, stages=[{}], bridge={}, decoders=[{}], skips=[{}])

    def place(block, options, bridge=True):
        types[0] = block
        o["stages"] = [dict(options)]
        if bridge:
            types[1], o["bridge"] = block, dict(options)

    def attend(block, options, **where):
        attended = dict(attend=True, attention=dict(options), block={})
        types[0], types[4], o["stem"] = block, block, copy.deepcopy(attended)
        o["stages"] = [dict(copy.deepcopy(attended), attend=i < depth - 1) for i in range(depth)]
        if where.get("bridge"):
            types[1], o["bridge"] = block, copy.deepcopy(attended)
        if where.get("decoders"):
            types[2], o["decoders"] = block, [copy.deepcopy(attended)]

    parts = name.split("_")
    if name in ("unet", "wunet"):
        pass
    elif name in ("d6unet", "d9unet"):
        place(DilatedBlock, dict(dilation=int(name[1])), bridge=False)
    elif name == "aunet":
        types[3], o["skips"] = GatedSkip, [dict(gate=dict(GATE), gated=True)]
    elif name == "cscunet":
        attend(AttendedScse, SCSE, decoders=True)
    elif name == "cbamunet":
        attend(AttendedCbam, CBAM_PAPER, bridge=True)
    elif name == "gcnunet":
        attend(AttendedContext, CONTEXT, bridge=True)
    elif name in ("fpa", "fpa_table5"):
        place(FalsePositiveAttention, FPA)
    elif name == "fpa_section43":
        place(FalsePositiveAttention, dict(FPA, depthwise=False, expansion=1), bridge=False)
    elif name in ("rfna", "rfna_table5"):
        place(ReverseFalseNegativeAttention, RFNA)
    elif name == "rfna_section33":
        place(ReverseFalseNegativeAttention, dict(RFNA, expansion=4, share_weights=False), bridge=False)
    elif name in names():  # figure 7: fpa_d12_dw_e8, rfna_r4_full_e1
        axes = dict(depthwise=parts[2] == "dw", expansion=int(parts[3][1:]))
        if parts[0] == "fpa":
            place(FalsePositiveAttention, dict(FPA, dilation=int(parts[1][1:]), **axes))
        else:
            place(ReverseFalseNegativeAttention, dict(RFNA, ratio=int(parts[1][1:]), **axes))
    else:
        raise ValueError("there is no network %r; there are: %s" % (name, ", ".join(names())))
    o["reversed"] = types[0] is ReverseFalseNegativeAttention
    return types, o


def names():
    """Every name of the zoo."""
    list_ = ["unet", "wunet", "d6unet", "d9unet", "aunet", "cscunet", "cbamunet", "gcnunet", "fpa", "fpa_table5",
             "fpa_section43", "rfna", "rfna_table5", "rfna_section33"]
    for kind in ("dw", "full"):
        for e in (1, 2, 4, 8):
            list_ += ["fpa_d%d_%s_e%d" % (d, kind, e) for d in (6, 9, 12)]
            list_ += ["rfna_r%d_%s_e%d" % (r, kind, e) for r in (2, 4, 8)]
    return list_


def merged(base, over, where):
    """`base` with the values of `over`; unknown keys are refused. An object given for a list counts for each item."""
    if isinstance(base, list) and isinstance(over, dict):
        over = [over]
    if isinstance(base, list) and isinstance(over, list) and base and over:
        n = max(len(base), len(over))
        if not {len(base), len(over)} <= {1, n}:
            raise ValueError("%s: got %d prototypes where the net has %d" % (where, len(over), len(base)))
        return [merged(base[i % len(base)], over[i % len(over)], "%s[%d]" % (where, i)) for i in range(n)]
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    unknown = sorted(set(over) - set(base))
    if unknown:
        raise ValueError("%s: there is no option %r; there are: %s" % (where, unknown[0], ", ".join(sorted(base))))
    return {k: merged(v, over[k], where + "." + k) if k in over else copy.deepcopy(v) for k, v in base.items()}


def build(options):
    """The net of a JSON description such as {"name": "fpa", "in_channels": 4}; any option of C++'s may be given."""
    if not isinstance(options, dict) or "name" not in options or options.get("in_channels", 0) < 1:
        raise ValueError('a network is described by at least {"name": "fpa", "in_channels": 4}')
    types, base = preset(options["name"], options.get("depth", 3))
    return UNet(types, merged(base, options, options["name"]))


def stored_options(metadata):
    """The options in a file's metadata. Before there was prune_convolutions, ratios 2 and 4 kept every convolution."""
    def keep(json_):
        if isinstance(json_, dict) and json_.get("ratio") in (2, 4):
            json_.setdefault("prune_convolutions", False)
        for item in json_.values() if isinstance(json_, dict) else json_ if isinstance(json_, list) else ():
            keep(item)
        return json_
    return keep(json.loads(metadata["pam.net"]))


def parameter_count(net):
    return sum(p.numel() for p in net.parameters())


def probabilities(logits, reversed_):
    """Of the foreground (one channel; reversed labels undone) or of each class."""
    if logits.shape[1] == 1:
        return torch.sigmoid(-logits if reversed_ else logits)
    return torch.softmax(logits, 1)


def predict(net, x):
    net.eval()
    with torch.no_grad():
        return probabilities(net(x), net.reversed)


# ---------------------------------------------------------------------------------------------------------- weights

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
          "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


def read_safetensors(path):
    """({name: tensor}, {metadata}) of a .safetensors file."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise ValueError("%s: is cut short, or not a safetensors file" % path)
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start].decode())
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        dtype, (begin, end) = DTYPES[entry["dtype"]], entry["data_offsets"]
        count = 1
        for n in entry["shape"]:
            count *= n
        flat = torch.empty(0, dtype=dtype)
        if not 0 <= begin <= end <= len(data) - start or end - begin != count * flat.element_size():
            raise ValueError("%s: tensor %r does not fit its place; the file is damaged" % (path, name))
        if count:
            flat = torch.frombuffer(data, dtype=dtype, count=count, offset=start + begin)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    header, blobs, at = {"__metadata__": dict({"format": "pt"}, **metadata)}, [], 0
    codes = {v: k for k, v in DTYPES.items()}
    for name, t in sorted(tensors.items(), key=lambda item: -item[1].element_size()):  # so that each is aligned
        t = t.detach().cpu().contiguous()
        blob = ctypes.string_at(t.data_ptr(), t.numel() * t.element_size()) if t.numel() else b""
        header[name] = {"dtype": codes[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    os.replace(path + ".part", path)


def unwrapped(name):
    """`name` without what torch.nn.DataParallel and torch.compile put into it."""
    while name.startswith(("module.", "_orig_mod.")):
        name = name.split(".", 1)[1]
    return name.replace("._orig_mod.", ".")


def read_weights(path):
    """({name: tensor}, {metadata}) of a .safetensors, .pt or .pth file; checkpoints and wrappers are looked through."""
    with open(path, "rb") as f:
        magic = f.read(2)
    if magic != b"PK":
        return read_safetensors(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(path) as z:  # where pam's C++ puts the metadata
        notes = [n for n in z.namelist() if n.endswith("/pam_metadata.json")]
        metadata = json.loads(z.read(notes[0])).get("__metadata__", {}) if notes else {}
    if not isinstance(content, dict):
        raise ValueError("%s: holds a %s, not the dict of a state_dict" % (path, type(content).__name__))
    for key in ("state_dict", "model_state_dict", "model", "network_weights"):
        if isinstance(content.get(key), dict):
            content = content[key]
    return {unwrapped(k): v for k, v in content.items() if torch.is_tensor(v)}, metadata


def load(path, options=None, reversed_=None):
    """The net that `path` holds. `options`: for files without pam.net in their metadata; `reversed_` for files without
    pam.reversed. The file's metadata stay with the net (`net.metadata`), for `save`."""
    tensors, metadata = read_weights(path)
    if options is None:
        if "pam.net" not in metadata:
            raise ValueError("%s: does not say which net it is of; give its options, as {\"name\": \"fpa\", …}" % path)
        options = stored_options(metadata)
    net = build(options)
    noted = metadata.get("pam.reversed")
    if noted not in (None, "true", "false"):
        raise ValueError("%s: its metadata say pam.reversed = %r; it must be true or false" % (path, noted))
    if noted is not None:
        if reversed_ is not None and reversed_ != (noted == "true"):
            raise ValueError("%s: its metadata say pam.reversed = %s, the caller says otherwise" % (path, noted))
        reversed_ = noted == "true"
    if reversed_ is not None and "reversed" in options and net.reversed != reversed_:
        raise ValueError(
            "%s: the options of the net say reversed = %s, but %s says otherwise; the wrong one of the two would invert "
            "every mask" % (path, net.reversed, "the caller" if noted is None else "pam.reversed in its metadata")
        )
    if net.reversed and reversed_ is None:
        raise ValueError(
            "%s: does not say whether its weights were trained on reversed labels (no pam.reversed in its metadata), and "
            "a %s can be trained either way; say which by reversed_ (--reversed)" % (path, net.options["name"])
        )
    net.load_state_dict(tensors)
    if reversed_ is not None:
        net.reversed = net.options["reversed"] = reversed_
    net.metadata = metadata
    return net


def save(net, path):
    """Weights and what C++ needs to know; .safetensors, or .pt (a plain dict; the metadata lie beside it in the zip). What
    the file of a loaded net said of its images (pam.input, pam.modalities, pam.spacing) is written again."""
    noted = getattr(net, "metadata", {})
    metadata = {key: noted[key] for key in ("pam.input", "pam.modalities", "pam.spacing") if key in noted}
    metadata.update({"pam.net": json.dumps(net.options), "pam.reversed": "true" if net.reversed else "false"})
    if path.endswith(".safetensors"):
        write_safetensors(path, net.state_dict(), metadata)
    elif path.endswith((".pt", ".pth")):
        torch.save(dict(net.state_dict()), path)
        with zipfile.ZipFile(path, "a") as z:
            folder = z.namelist()[0].split("/")[0]
            z.writestr(folder + "/pam_metadata.json", json.dumps({"__metadata__": metadata}))
    else:
        raise ValueError("%s: weights are saved as .safetensors, .pt or .pth" % path)


# ----------------------------------------------------------------------------------------------------- golden files


def random_net(options, seed):
    """A net whose norms, too, have random weights and biases."""
    torch.manual_seed(seed)
    net = build(options)
    for p in net.parameters():
        if p.dim() <= 1 or p.shape[1:].numel() == 1 and p.dim() == 3:
            p.data = torch.randn_like(p) * 0.3 + 0.5
        elif p.abs().max() == 0:
            p.data = torch.randn_like(p) * 0.1
    return net


def golden(options, path, seed=0, size=None, batch=2):
    """Writes what tests compare: parameters, an input, the output, and the gradients of sum(output * target)."""
    net = random_net(options, seed).train()
    size = size or ((72, 70) if "ratio" in net.options["stages"][0] else (24, 30))
    x = torch.randn(batch, net.options["in_channels"], *size, requires_grad=True)
    tensors = {"param." + k: v.clone() for k, v in net.state_dict().items()}  # before training mode moves the buffers
    y = net(x)
    target = torch.randn_like(y)
    (y * target).sum().backward()
    tensors.update({"input.0": x, "output": y, "target": target, "grad.input.0": x.grad})
    tensors.update({"grad.param." + k: p.grad for k, p in net.named_parameters()})
    o = net.options
    write_safetensors(path, tensors, {"kind": "net", "module": o["name"], "in_channels": str(o["in_channels"]),
                                      "width": str(o["width"]), "classes": str(o["classes"]), "source": "pam_torch",
                                      "framework": "torch " + torch.__version__, "pam.net": json.dumps(o)})


def check(path, bound=1e-5):
    """One line about a golden file; True where output and gradients agree within `bound` of the largest entries.
    Where a ReLU's input is zero but for rounding, gradients may differ by percents: C++'s golden_check explains these."""
    tensors, metadata = read_safetensors(path)
    net = build(stored_options(metadata)).train()
    net.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("param.")})
    x = tensors["input.0"].requires_grad_()
    y = net(x)
    (y * tensors["target"]).sum().backward()

    def worst(pairs):
        scale = max(b.abs().max().item() for _, b in pairs) or 1.0
        return max((a - b).abs().max().item() for a, b in pairs) / scale
    errors = [worst([(y, tensors["output"])]), worst([(x.grad, tensors["grad.input.0"])]),
              worst([(p.grad, tensors["grad.param." + k]) for k, p in net.named_parameters()])]
    good = max(errors) <= bound
    print("%s  %-40s  output %.2e  input gradients %.2e  parameter gradients %.2e"
          % ("ok  " if good else "FAIL", os.path.basename(path), *errors))
    return good


def compare(a, b, bound):
    """Prints the largest difference of each tensor, relative to its largest entry; True where all are within `bound`."""
    first, second, worst = read_weights(a)[0], read_weights(b)[0], 0.0
    if set(first) != set(second):
        raise ValueError("%s and %s: only one has %s" % (a, b, ", ".join(sorted(set(first) ^ set(second)))))
    for name in first:
        x, y = first[name].double(), second[name].double()
        worst = max(worst, ((x - y).abs().max() / (x.abs().max() or 1.0)).item())
    print("%s and %s: %d tensors, largest relative difference %.2e" % (a, b, len(first), worst))
    return worst <= bound


# ------------------------------------------------------------------------------------------------ export and timing


def write_onnx(net, path, size):
    """Writes an ONNX file with free batch, height and width. `size`: the height and width that the net is traced with."""
    import inspect
    net.eval()
    x = torch.randn(1, net.options["in_channels"], *size)
    more = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    free = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(net, x, path, input_names=["image"], output_names=["logits"], opset_version=13,
                      dynamic_axes={"image": free, "logits": free}, **more)


def export_onnx(net, path, size):
    """Writes an ONNX file, and compares it with onnxruntime where that is installed."""
    write_onnx(net, path, size)
    x = torch.randn(1, net.options["in_channels"], *size)
    print("wrote %s" % path)
    try:
        import onnxruntime
    except ImportError:
        print("onnxruntime is not installed: the file was not checked")
        return
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in (x.shape, (2, x.shape[1], size[0] + 8, size[1] + 16)):
        x = torch.randn(*shape)
        with torch.no_grad():
            expected = net(x)
        got = torch.from_numpy(session.run(None, {"image": x.numpy()})[0])
        error = ((got - expected).abs().max() / expected.abs().max()).item()
        print("onnxruntime %s on %s: largest relative difference %.2e" % (onnxruntime.__version__, tuple(shape), error))
        if not error < 1e-4:
            raise SystemExit("%s: onnxruntime's output differs" % path)


# ----------------------------------------------------------------------------------------------------- command line


def read_image(path):
    """(N, C, H, W) from .npy, or from the tensor "image" (or the only one) of a .safetensors or .pt file."""
    if path.endswith(".npy"):
        import numpy
        x = torch.from_numpy(numpy.load(path)).float()
    else:
        tensors, _ = read_weights(path)
        x = tensors["image"] if "image" in tensors else next(iter(tensors.values()))
    return x if x.dim() == 4 else x.unsqueeze(0)


def write_image(path, x):
    if path.endswith(".npy"):
        import numpy
        numpy.save(path, x.numpy())
    else:
        write_safetensors(path, {"image": x}, {})


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--list", action="store_true", help="names and parameter counts")
    p.add_argument("--net", help="a name of the zoo, or a JSON file of options (for --golden also of a list of them)")
    p.add_argument("--in-channels", type=int, default=4)
    p.add_argument("--classes", type=int)
    p.add_argument("--width", type=int)
    p.add_argument("--options", default="{}", help="JSON that overrides further options of --net")
    p.add_argument("--reversed", choices=["true", "false"], help="for weights that do not say")
    p.add_argument("--weights", help=".safetensors, .pt or .pth")
    p.add_argument("--input", help="image (N, C, H, W) to predict: .npy, .safetensors or .pt")
    p.add_argument("--output", help="where its probabilities go: .npy or .safetensors")
    p.add_argument("--logits", action="store_true", help="write logits instead")
    p.add_argument("--save", help="write the weights: .safetensors, .pt or .pth")
    p.add_argument("--onnx", help="export to this file")
    p.add_argument("--golden", help="write a test file into this folder")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--check", nargs="+", help="compare these test files")
    p.add_argument("--compare", nargs=2, help="compare the tensors of two files")
    p.add_argument("--bound", type=float, default=1e-5, help="for --check and --compare: relative to the largest entry")
    p.add_argument("--size", type=int, nargs=2, help="height and width for --onnx and --golden")
    p.add_argument("--batch", type=int, default=1)
    return p


def described(a):
    """The options that the command line describes, or None."""
    if not a.net:
        return None
    options = json.loads(a.options)
    if os.path.isfile(a.net):
        with open(a.net) as f:
            given = json.load(f)
        if isinstance(given, list):  # several nets, for --golden
            return given
        options = dict(given, **options)
    else:
        options.update(name=a.net, in_channels=a.in_channels)
    for key in ("classes", "width"):
        if getattr(a, key) is not None:
            options[key] = getattr(a, key)
    return options


def run(a):
    if a.list:
        for name in names():
            o = dict(name=name, in_channels=a.in_channels, **({"width": a.width} if a.width else {}))
            print("%-20s %11d" % (name, parameter_count(build(o))))
    if a.check:
        return 0 if all([check(path, a.bound) for path in a.check]) else 1
    if a.compare:
        return 0 if compare(*a.compare, a.bound) else 1
    options = described(a)
    if a.golden:
        os.makedirs(a.golden, exist_ok=True)
        for i, o in enumerate(options if isinstance(options, list) else [options]):
            golden(o, os.path.join(a.golden, "net_%02d_%s.safetensors" % (i, o["name"])), a.seed + i, a.size, a.batch)
        return 0
    if not a.weights and options is None:
        return 0 if a.list else 2
    if a.weights:
        net = load(a.weights, options, None if a.reversed is None else a.reversed == "true")
    else:
        torch.manual_seed(a.seed)
        net = build(options)
    print("%s: %d parameters, %d input channels, %d output channels%s" % (
        net.options["name"], parameter_count(net), net.options["in_channels"], net.options["classes"],
        ", reversed labels" if net.reversed else ""))
    if a.input:
        x = read_image(a.input)
        net.eval()
        with torch.no_grad():
            y = net(x)
        write_image(a.output, y if a.logits else probabilities(y, net.reversed))
    if a.save:
        save(net, a.save)
    a.size = tuple(a.size or (160, 160))
    if a.onnx:
        export_onnx(net, a.onnx, a.size)
    return 0


def main():
    p = parser()
    a = p.parse_args()
    if a.input and not a.output:
        p.error("--input needs --output")
    if a.golden and not a.net:
        p.error("--golden needs --net")
    try:
        code = run(a)
    except (ValueError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise SystemExit("pam_torch.py: %s" % error)
    if code == 2:
        p.print_help()
    return code


if __name__ == "__main__":
    sys.exit(main())
