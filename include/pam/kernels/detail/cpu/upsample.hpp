// SPDX-License-Identifier: MIT
/// Upsampling with concat, and with RFNA's gate, on the CPU: forward and backward on plain tensors, autograd aside.
#pragma once

#include <pam/kernels/detail/cpu/axis.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/cpu/upsample_pixels.hpp>

#include <cstring>

namespace pam::kernels::cpu {

namespace detail {

inline AxisView view(const Axis& a) { return {a.size, a.lower.data(), a.upper.data(), a.weight.data()}; }
inline AdjointView view(const AdjointAxis& a) { return {a.inputs, a.taps, a.first.data(), a.weights.data()}; }

/// From (h, w) to (H, W): both axes, and their transposes where a gradient is asked for.
struct Resize {
  Resize(const torch::Tensor& small, std::int64_t height, std::int64_t width)
      : rows_in(small.size(2)), columns_in(small.size(3)), down(rows_in, height), across(columns_in, width) {}
  std::int64_t rows_in, columns_in;
  Axis down, across;
};

template <typename T>
void concat_planes(const torch::Tensor& x, const torch::Tensor& skip, const Resize& r, const torch::Tensor& y) {
  const auto c = x.size(1), s = skip.size(1), small = r.rows_in * r.columns_in, large = r.down.size * r.across.size;
  const auto *from = x.data_ptr<T>(), *beside = skip.data_ptr<T>();
  auto* to = y.data_ptr<T>();
  parallel(x.size(0) * (c + s), large, [&](std::int64_t first, std::int64_t last) {
    const Scratch rows(2 * r.across.size);
    for (auto i = first; i < last; ++i) {
      const auto sample = i / (c + s), k = i % (c + s);
      if (k < c) {
        vectorized<UpsamplePlane<T>>(from + (sample * c + k) * small, r.columns_in, view(r.down), view(r.across),
                                     to + i * large, rows.data());
      } else {
        std::memcpy(to + i * large, beside + (sample * s + k - c) * large, static_cast<std::size_t>(large) * sizeof(T));
      }
    }
  });
}

template <typename T>
void concat_pixels(const torch::Tensor& x, const torch::Tensor& skip, const Resize& r, const torch::Tensor& y) {
  const auto c = x.size(1), s = skip.size(1), row = r.across.size, rows = r.down.size;
  const auto *from = x.data_ptr<T>(), *beside = skip.data_ptr<T>();
  auto* to = y.data_ptr<T>();
  parallel(x.size(0) * rows, row * (c + s), [&](std::int64_t first, std::int64_t last) {
    for (auto i = first; i < last; ++i) {
      vectorized<UpsampleConcatRow<T>>(from + i / rows * r.rows_in * r.columns_in * c, beside + i * row * s,
                                       r.columns_in, c, s, view(r.down), view(r.across), i % rows,
                                       to + i * row * (c + s));
    }
  });
}

/// The upsampling's gradient: the first channels of dy, which has `stride` of them, to dx.
template <typename G, typename T>
void shrink_pixels(const G* dy, std::int64_t stride, const Resize& r, const torch::Tensor& dx) {
  const AdjointAxis down(r.down, r.rows_in), across(r.across, r.columns_in);
  const auto c = dx.size(1), rows = r.rows_in, row = r.across.size;
  auto* to = dx.data_ptr<T>();
  parallel(dx.size(0) * rows, 4 * row * c, [&](std::int64_t first, std::int64_t last) {
    const Scratch sums(c);
    for (auto i = first; i < last; ++i) {
      vectorized<UpsampleRowBackward<G, T>>(dy + i / rows * r.down.size * row * stride, row, stride, c, view(down),
                                            view(across), i % rows, to + i * r.columns_in * c, sums.data());
    }
  });
}

template <typename T>
void shrink_planes(const T* dy, std::int64_t stride, const Resize& r, const torch::Tensor& dx) {
  const AdjointAxis down(r.down, r.rows_in), across(r.across, r.columns_in);
  const auto c = dx.size(1), small = r.rows_in * r.columns_in, large = r.down.size * r.across.size;
  auto* to = dx.data_ptr<T>();
  parallel(dx.size(0) * c, large, [&](std::int64_t first, std::int64_t last) {
    const Scratch rows(r.across.size + r.columns_in);
    for (auto i = first; i < last; ++i) {
      vectorized<UpsamplePlaneBackward<T>>(dy + (i / c * stride + i % c) * large, r.across.size, view(down),
                                           view(across), to + i * small, rows.data());
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
  with_element(x, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    (pixels ? detail::concat_pixels<T> : detail::concat_planes<T>)(x, skip, r, y);
  });
  return y;
}

/// dx (N, channels, rows, columns) of `upsample_concat`; dy dense in the layout of the output.
inline torch::Tensor upsample_concat_backward(const torch::Tensor& dy, at::IntArrayRef x_shape, bool pixels) {
  auto dx = torch::empty(
      x_shape, dy.options().memory_format(pixels ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous));
  const detail::Resize r(dx, dy.size(2), dy.size(3));
  with_element(dy, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    if (pixels) {
      detail::shrink_pixels<T, T>(dy.data_ptr<T>(), dy.size(1), r, dx);
    } else {
      detail::shrink_planes<T>(dy.data_ptr<T>(), dy.size(1), r, dx);
    }
  });
  return dx;
}

/// f * (sigmoid(upsample(logits) + shortcut) + identity); all dense in f's layout and of one type.
inline torch::Tensor upsample_gate(const torch::Tensor& f, const torch::Tensor& logits, const torch::Tensor& shortcut,
                                   bool identity) {
  const detail::Resize r(logits, f.size(2), f.size(3));
  auto y = torch::empty_like(f);
  const float one = identity ? 1.f : 0.f;
  const auto c = f.size(1), small = r.rows_in * r.columns_in, rows = f.size(2), row = f.size(3), large = rows * row;
  with_element(f, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const auto *from = f.data_ptr<T>(), *gate = logits.data_ptr<T>(), *added = shortcut.data_ptr<T>();
    auto* to = y.template data_ptr<T>();
    if (is_channels_last(f)) {
      parallel(f.size(0) * rows, row * c, [&](std::int64_t first, std::int64_t last) {
        for (auto i = first; i < last; ++i) {
          vectorized<UpsampleGateRow<T>>(from + i * row * c, gate + i / rows * small * c, added + i * row * c,
                                         r.columns_in, c, detail::view(r.down), detail::view(r.across), i % rows, one,
                                         to + i * row * c);
        }
      });
      return;
    }
    parallel(f.size(0) * c, large, [&](std::int64_t first, std::int64_t last) {
      const Scratch wide(2 * row);
      for (auto i = first; i < last; ++i) {
        vectorized<UpsampleGatePlane<T>>(from + i * large, gate + i * small, added + i * large, r.columns_in,
                                         detail::view(r.down), detail::view(r.across), one, to + i * large,
                                         wide.data());
      }
    });
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
  const float one = identity ? 1.f : 0.f;
  const auto c = f.size(1), small = r.rows_in * r.columns_in, rows = f.size(2), row = f.size(3), large = rows * row;
  with_element(f, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const auto *from = f.data_ptr<T>(), *gate = logits.data_ptr<T>(), *added = shortcut.data_ptr<T>(),
               *up = dy.data_ptr<T>();
    auto *to = out.features.template data_ptr<T>(), *to_gate = out.logits.template data_ptr<T>();
    auto* to_added = same ? nullptr : out.shortcut.template data_ptr<T>();
    if (is_channels_last(f)) {
      const Scratch da(f.numel());
      parallel(f.size(0) * rows, row * c, [&](std::int64_t first, std::int64_t last) {
        for (auto i = first; i < last; ++i) {
          const auto run = [&](auto body, auto at) {
            vectorized<decltype(body)>(from + at, gate + i / rows * small * c, added + at, up + at, r.columns_in, c,
                                       detail::view(r.down), detail::view(r.across), i % rows, one, to + at,
                                       same ? nullptr : to_added + at, da.data() + at);
          };
          same ? run(UpsampleGateRowBackward<T, true>{}, i * row * c)
               : run(UpsampleGateRowBackward<T, false>{}, i * row * c);
        }
      });
      detail::shrink_pixels<float, T>(da.data(), c, r, out.logits);
      return;
    }
    const AdjointAxis down(r.down, r.rows_in), across(r.across, r.columns_in);
    parallel(f.size(0) * c, 2 * large, [&](std::int64_t first, std::int64_t last) {
      const Scratch wide(2 * row + r.columns_in), da(large), narrow(small);
      for (auto i = first; i < last; ++i) {
        const auto run = [&](auto body, auto at) {
          vectorized<decltype(body)>(from + at, gate + i * small, added + at, up + at, r.columns_in,
                                     detail::view(r.down), detail::view(r.across), one, to + at,
                                     same ? nullptr : to_added + at, da.data(), wide.data());
        };
        same ? run(UpsampleGatePlaneBackward<T, true>{}, i * large)
             : run(UpsampleGatePlaneBackward<T, false>{}, i * large);
        vectorized<UpsamplePlaneBackward<float>>(static_cast<const float*>(da.data()), row, detail::view(down),
                                                 detail::view(across), narrow.data(), wide.data());
        for (std::int64_t k = 0; k < small; ++k) store(to_gate + i * small + k, narrow.data()[k]);
      }
    });
  });
  return out;
}

}  // namespace pam::kernels::cpu
