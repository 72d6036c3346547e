// SPDX-License-Identifier: MIT
/// Upsampling with concat, and with RFNA's gate, on the CPU: forward and backward on plain tensors, autograd aside.
#pragma once

#include <pam/kernels/detail/cpu/elements.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/cpu/upsample_pixels.hpp>

#include <cstring>

namespace pam::kernels::cpu {

namespace detail {

/// From (h, w) to (H, W): both axes, and their transposes where a gradient is asked for.
struct Resize {
  Resize(const torch::Tensor& small, std::int64_t height, std::int64_t width)
      : rows_in(small.size(2)), columns_in(small.size(3)), down(rows_in, height), across(columns_in, width) {}
  std::int64_t rows_in, columns_in;
  Axis down, across;
};

inline void concat_planes(const torch::Tensor& x, const torch::Tensor& skip, const Resize& r, const torch::Tensor& y) {
  const auto c = x.size(1), s = skip.size(1), small = r.rows_in * r.columns_in, large = r.down.size * r.across.size;
  const auto bytes = static_cast<std::size_t>(large) * x.itemsize();
  const auto* beside = static_cast<const char*>(skip.data_ptr());
  auto* to = static_cast<char*>(y.data_ptr());
  const Elements from(x), out(y);
  parallel(x.size(0) * (c + s), large, [&](std::int64_t first, std::int64_t last) {
    const Scratch rows(2 * r.across.size), input(from.scratch(small)), output(out.scratch(large));
    for (auto i = first; i < last; ++i) {
      const auto sample = i / (c + s), k = i % (c + s);
      if (k >= c) {
        std::memcpy(to + static_cast<std::size_t>(i) * bytes,
                    beside + static_cast<std::size_t>(sample * s + k - c) * bytes, bytes);
        continue;
      }
      auto* plane = out.write(i * large, output.data());
      vectorized<UpsamplePlane>(from.read((sample * c + k) * small, small, input.data()), r.columns_in, view(r.down),
                                view(r.across), plane, rows.data());
      out.finish(i * large, large, plane);
    }
  });
}

/// The rows of `x`, channels-last, that output row i (counted over all samples) lies between, through `scratch` of two.
inline RowPair rows_of_output(const Elements& x, const Resize& r, std::int64_t channels, std::int64_t i,
                              float* scratch) {
  const auto sample = i / r.down.size, n = r.columns_in * channels;
  const auto k = static_cast<std::size_t>(i % r.down.size);
  const auto at = [&](std::int32_t row) { return (sample * r.rows_in + row) * n; };
  return {x.read(at(r.down.lower[k]), n, scratch), x.read(at(r.down.upper[k]), n, scratch + x.scratch(n)),
          r.down.weight[k]};
}

inline void concat_pixels(const torch::Tensor& x, const torch::Tensor& skip, const Resize& r, const torch::Tensor& y) {
  const auto c = x.size(1), s = skip.size(1), row = r.across.size;
  const auto one = static_cast<std::size_t>(x.element_size()), bytes = static_cast<std::size_t>(s) * one;
  const auto* beside = static_cast<const char*>(skip.data_ptr());
  auto* to = static_cast<char*>(y.data_ptr());
  const Elements from(x), out(y);
  const bool direct = out.scratch(1) == 0;
  parallel(x.size(0) * r.down.size, row * (c + s), [&](std::int64_t first, std::int64_t last) {
    const Scratch rows(2 * from.scratch(r.columns_in * c)), output(out.scratch(row * c));
    for (auto i = first; i < last; ++i) {
      vectorized<UpsampleRow>(rows_of_output(from, r, c, i, rows.data()), c, view(r.across),
                              out.write(i * row * (c + s), output.data()), direct ? c + s : c);
      for (auto pixel = i * row; pixel < (i + 1) * row; ++pixel) {
        if (!direct) out.finish(pixel * (c + s), c, output.data() + (pixel - i * row) * c);
        std::memcpy(to + static_cast<std::size_t>(pixel * (c + s) + c) * one,
                    beside + static_cast<std::size_t>(pixel) * bytes, bytes);
      }
    }
  });
}

/// The upsampling's gradient: the first channels of dy, which has `stride` of them, to dx.
template <typename G>
void shrink_pixels(const G* dy, std::int64_t stride, const Resize& r, const torch::Tensor& dx) {
  const AdjointAxis down(r.down, r.rows_in), across(r.across, r.columns_in);
  const auto c = dx.size(1), rows = r.rows_in, row = r.across.size, n = r.columns_in * c;
  const Elements to(dx);
  parallel(dx.size(0) * rows, 4 * row * c, [&](std::int64_t first, std::int64_t last) {
    const Scratch output(to.scratch(n));
    for (auto i = first; i < last; ++i) {
      auto* out = to.write(i * n, output.data());
      vectorized<UpsampleRowBackward<G>>(dy + i / rows * r.down.size * row * stride, row, stride, c, view(down),
                                         view(across), i % rows, out);
      to.finish(i * n, n, out);
    }
  });
}

inline void shrink_planes(const torch::Tensor& dy, const Resize& r, const torch::Tensor& dx) {
  const AdjointAxis down(r.down, r.rows_in), across(r.across, r.columns_in);
  const auto c = dx.size(1), stride = dy.size(1), small = r.rows_in * r.columns_in, large = r.down.size * r.across.size;
  const Elements up(dy), to(dx);
  parallel(dx.size(0) * c, large, [&](std::int64_t first, std::int64_t last) {
    const Scratch row(r.across.size), input(up.scratch(large)), output(to.scratch(small));
    for (auto i = first; i < last; ++i) {
      auto* out = to.write(i * small, output.data());
      vectorized<UpsamplePlaneBackward>(up.read((i / c * stride + i % c) * large, large, input.data()), r.across.size,
                                        view(down), view(across), out, row.data());
      to.finish(i * small, small, out);
    }
  });
}

}  // namespace detail

/// [upsample(x), skip]; both dense in one layout and of one type.
inline torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip) {
  const detail::Resize r(x, skip.size(2), skip.size(3));
  const bool pixels = is_channels_last(skip);
  auto y =
      torch::empty({x.size(0), x.size(1) + skip.size(1), skip.size(2), skip.size(3)},
                   x.options().memory_format(pixels ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous));
  (pixels ? detail::concat_pixels : detail::concat_planes)(x, skip, r, y);
  return y;
}

/// dx (N, channels, rows, columns) of `upsample_concat`; dy dense in the layout of the output.
inline torch::Tensor upsample_concat_backward(const torch::Tensor& dy, at::IntArrayRef x_shape, bool pixels) {
  auto dx = torch::empty(
      x_shape, dy.options().memory_format(pixels ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous));
  const detail::Resize r(dx, dy.size(2), dy.size(3));
  if (!pixels) {
    detail::shrink_planes(dy, r, dx);
  } else {
    with_element(dy, [&](auto* element) {
      using T = std::remove_pointer_t<decltype(element)>;
      detail::shrink_pixels<T>(dy.data_ptr<T>(), dy.size(1), r, dx);
    });
  }
  return dx;
}

/// f * (sigmoid(upsample(logits) + shortcut) + identity); all dense in f's layout and of one type.
inline torch::Tensor upsample_gate(const torch::Tensor& f, const torch::Tensor& logits, const torch::Tensor& shortcut,
                                   bool identity) {
  const detail::Resize r(logits, f.size(2), f.size(3));
  auto y = torch::empty_like(f);
  const float one = identity ? 1.f : 0.f;
  const auto c = f.size(1), small = r.rows_in * r.columns_in, rows = f.size(2), row = f.size(3), large = rows * row;
  const Elements from(f), gate(logits), added(shortcut), to(y);
  if (is_channels_last(f)) {
    const auto n = row * c;
    parallel(f.size(0) * rows, n, [&](std::int64_t first, std::int64_t last) {
      const Scratch features(from.scratch(n)), adds(from.scratch(n)), low(2 * from.scratch(r.columns_in * c));
      for (auto i = first; i < last; ++i) {
        auto* out = to.write(i * n, features.data());
        vectorized<UpsampleGateRow>(from.read(i * n, n, features.data()),
                                    detail::rows_of_output(gate, r, c, i, low.data()),
                                    added.read(i * n, n, adds.data()), c, detail::view(r.across), one, out);
        to.finish(i * n, n, out);
      }
    });
    return y;
  }
  parallel(f.size(0) * c, large, [&](std::int64_t first, std::int64_t last) {
    const Scratch wide(2 * row), features(from.scratch(large)), adds(from.scratch(large)), low(from.scratch(small));
    for (auto i = first; i < last; ++i) {
      auto* out = to.write(i * large, features.data());
      vectorized<UpsampleGatePlane>(from.read(i * large, large, features.data()),
                                    gate.read(i * small, small, low.data()), added.read(i * large, large, adds.data()),
                                    r.columns_in, detail::view(r.down), detail::view(r.across), one, out, wide.data());
      to.finish(i * large, large, out);
    }
  });
  return y;
}

struct UpsampleGateGradients {
  torch::Tensor features, logits, shortcut;  ///< shortcut undefined where it is the features: theirs holds both
};

inline UpsampleGateGradients upsample_gate_backward(const torch::Tensor& f, const torch::Tensor& logits,
                                                    const torch::Tensor& shortcut, bool identity, bool same,
                                                    const torch::Tensor& dy) {
  const detail::Resize r(logits, f.size(2), f.size(3));
  UpsampleGateGradients out;
  out.features = torch::empty_like(f), out.logits = torch::empty_like(logits);
  if (!same) out.shortcut = torch::empty_like(f);
  const float one = identity ? 1.f : 0.f, both = same ? 1.f : 0.f;
  const auto c = f.size(1), small = r.rows_in * r.columns_in, rows = f.size(2), row = f.size(3), large = rows * row;
  const Elements from(f), gate(logits), added(shortcut), up(dy), to(out.features), to_gate(out.logits),
      to_added(out.shortcut);
  if (is_channels_last(f)) {
    const Scratch da(f.numel());
    const auto n = row * c;
    parallel(f.size(0) * rows, n, [&](std::int64_t first, std::int64_t last) {
      const Scratch features(from.scratch(n)), adds(from.scratch(n)), ups(from.scratch(n)),
          low(2 * from.scratch(r.columns_in * c));
      for (auto i = first; i < last; ++i) {
        const auto at = i * n;
        auto *df = to.write(at, ups.data()), *d = da.data() + at;
        vectorized<UpsampleGateRowBackward>(
            from.read(at, n, features.data()), detail::rows_of_output(gate, r, c, i, low.data()),
            added.read(at, n, adds.data()), up.read(at, n, ups.data()), c, detail::view(r.across), one, both, df, d);
        to.finish(at, n, df);
        to_added.copy(at, n, d);
      }
    });
    detail::shrink_pixels<float>(da.data(), c, r, out.logits);
    return out;
  }
  const AdjointAxis down(r.down, r.rows_in), across(r.across, r.columns_in);
  parallel(f.size(0) * c, 2 * large, [&](std::int64_t first, std::int64_t last) {
    const Scratch wide(2 * row), da(large), features(from.scratch(large)), adds(from.scratch(large)),
        ups(from.scratch(large)), low(from.scratch(small));
    for (auto i = first; i < last; ++i) {
      const auto at = i * large;
      auto *df = to.write(at, ups.data()), *dgate = to_gate.write(i * small, low.data());
      vectorized<UpsampleGatePlaneBackward>(from.read(at, large, features.data()),
                                            gate.read(i * small, small, low.data()), added.read(at, large, adds.data()),
                                            up.read(at, large, ups.data()), r.columns_in, detail::view(r.down),
                                            detail::view(r.across), one, both, df, da.data(), wide.data());
      to.finish(at, large, df);
      to_added.copy(at, large, da.data());
      vectorized<UpsamplePlaneBackward>(static_cast<const float*>(da.data()), row, detail::view(down),
                                        detail::view(across), dgate, wide.data());
      to_gate.finish(i * small, small, dgate);
    }
  });
  return out;
}

}  // namespace pam::kernels::cpu
