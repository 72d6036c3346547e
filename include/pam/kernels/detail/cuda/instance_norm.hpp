// SPDX-License-Identifier: MIT
/// Host code of the CUDA instance norm + ReLU (+ gate), for any Launcher; the counterpart of cpu/instance_norm.hpp.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

#include <utility>

namespace pam::kernels::cuda {

namespace detail {

/// Bytes that the kernels' lane_sums needs for `numbers` sums of each of `tile` packs; the last tile may be narrower.
inline std::int64_t lane_bytes(const Launcher& device, std::int64_t packs, std::int64_t tile, std::int64_t numbers) {
  const auto floats = [&](std::int64_t width) {
    const bool whole = (width & (width - 1)) == 0;
    return whole ? device.block() / 32 * width * numbers : device.block() * (numbers + 1);
  };
  const auto rest = packs % tile;
  const auto most = std::max(packs >= tile ? floats(tile) : 0, rest > 0 ? floats(rest) : 0);
  return most * static_cast<std::int64_t>(sizeof(float));
}

/// How a channels-last tensor's pixels are cut: blocks of (chunk, sample, 32 packs of channels).
struct PixelChunks {
  /// `quarters`: of the blocks that run beside each other, for kernels whose registers allow no more.
  PixelChunks(const torch::Tensor& x, const Build& build, const Launcher& device, int quarters) {
    const auto samples = x.size(0), pixels = x.size(2) * x.size(3), packs = x.size(1) / build.pack;
    const auto tiles = ceil_div(packs, 32);
    const auto wanted =
        std::clamp<std::int64_t>(quarters * device.busy_blocks() / 4 / (samples * tiles), 1, kMostChunks);
    chunk = std::max<std::int64_t>(64, ceil_div(pixels, wanted));
    chunks = ceil_div(pixels, chunk);
    apply = {{chunks, samples, tiles}, device.block(), 0};
    sums = apply;
    sums.shared = lane_bytes(device, packs, 32, 2 * build.pack);
  }
  static constexpr std::int64_t kMostChunks = 64;  ///< every block of the second pass adds up all of a sample's
  std::int64_t chunk, chunks;
  Launch sums, apply;
};

/// What `norm_pixel_sums` finds of x, channels-last: sums of chunks of pixels.
struct PixelSums {
  PixelSums(Launcher& device, const torch::Tensor& x, const Build& build)
      : cut(x, build, device, 4),
        parts(torch::empty({x.size(0), 2 * cut.chunks + 1, x.size(1)},
                           x.options().dtype(torch::kFloat).memory_format(at::MemoryFormat::Contiguous))) {
    device.run(build, "norm_pixel_sums", cut.sums, pointer(x), pointer(parts), static_cast<int>(x.size(2) * x.size(3)),
               static_cast<int>(x.size(1)), chunk());
  }
  [[nodiscard]] int chunk() const { return static_cast<int>(cut.chunk); }
  [[nodiscard]] int chunks() const { return static_cast<int>(cut.chunks); }

  PixelChunks cut;
  torch::Tensor parts;
};

/// A launch whose blocks keep `maps` maps of some packs of channels in shared memory, or nothing where the map is too
/// large for it. `numbers`: sums a pack.
struct Slabs {
  Launch launch;
  std::int64_t wide = 0;  ///< packs a block; 0: the map is too large
};
inline Slabs slabs_of(const Launcher& device, const torch::Tensor& x, const Build& build, std::int64_t maps,
                      std::int64_t numbers) {
  if (build.pack == 1) return {};
  const auto samples = x.size(0), pixels = x.size(2) * x.size(3), packs = x.size(1) / build.pack;
  const auto bytes = [&](std::int64_t wide) {
    return maps * pixels * wide * 16 + lane_bytes(device, packs, wide, numbers);
  };
  // Two packs are a sector of memory, eight a line. A quarter of the shared memory, for one map, lets four blocks run
  // beside each other.
  const auto most = std::min(maps * device.shared_limit() / 4, device.shared_limit() / 2);
  std::int64_t wide = std::min<std::int64_t>(packs, 8);
  while (wide > 2 && (bytes(wide) > most || samples * ceil_div(packs, wide) < device.busy_blocks() / 4)) wide /= 2;
  if (bytes(wide) > most) return {};
  return {{{1, samples, ceil_div(packs, wide)}, device.block(), bytes(wide)}, wide};
}

/// A launch with a block a plane, which keeps `maps` of them in shared memory if they fit; `shared` 0: they do not.
inline Launch planes_of(const Launcher& device, const torch::Tensor& x, std::int64_t maps) {
  const auto bytes = maps * x.size(2) * x.size(3) * x.element_size();
  return {{x.size(0) * x.size(1), 1, 1}, device.block(), bytes <= device.shared_limit() / 2 ? bytes : 0};
}

}  // namespace detail

/// True if `instance_norm_relu` of x, channels-last, is one kernel that reads x once.
inline bool norm_reads_once(const Launcher& device, const torch::Tensor& x) {
  const auto build = build_for(x.size(1), x);
  return detail::slabs_of(device, x, build, 1, build.pack).wide > 0;
}

/// relu(norm(x)), or with defined `logits` times (sigmoid(logits) + identity). `output` may be x itself. All dense in
/// one layout. Returns the table that the backward pass needs, (4, N * C).
inline torch::Tensor instance_norm_relu(Launcher& device, const torch::Tensor& x, const torch::Tensor& logits,
                                        const torch::Tensor& weight, const torch::Tensor& bias, double eps,
                                        bool identity, const torch::Tensor& output) {
  const auto wide = x.options().dtype(torch::kFloat).memory_format(at::MemoryFormat::Contiguous);
  const auto table = torch::empty({4, x.size(0) * x.size(1)}, wide);
  const Parameters rows(x, weight, bias);
  const auto n = static_cast<int>(x.size(2) * x.size(3)), channels = static_cast<int>(x.size(1));
  const float small = static_cast<float>(eps), one = identity ? 1.f : 0.f;
  if (!is_channels_last(x)) {
    const auto launch = detail::planes_of(device, x, 1);
    device.run(build_for(n, x, logits, output), "norm_plane", launch, pointer(x), pointer(logits), pointer(output),
               rows[0], rows[1], rows.narrow, pointer(table), n, channels, small, one, launch.shared > 0 ? 1 : 0);
    return table;
  }
  const auto build = build_for(channels, x, logits, output);
  if (const auto slabs = detail::slabs_of(device, x, build, 1, build.pack); slabs.wide > 0) {
    device.run(build, "norm_slab", slabs.launch, pointer(x), pointer(logits), pointer(output), rows[0], rows[1],
               rows.narrow, pointer(table), n, channels, static_cast<int>(slabs.wide), small, one);
    return table;
  }
  const detail::PixelSums sums(device, x, build);
  device.run(build, "norm_pixel_apply", sums.cut.apply, pointer(x), pointer(logits), pointer(sums.parts), rows[0],
             rows[1], rows.narrow, pointer(table), pointer(output), n, channels, sums.chunk(), sums.chunks(), small,
             one);
  return table;
}

/// head (K, C, 1, 1) times relu(norm(x)), K at most 4; x channels-last and dense, as the result, (N, K, H, W).
inline torch::Tensor norm_relu_head(Launcher& device, const torch::Tensor& x, const torch::Tensor& weight,
                                    const torch::Tensor& bias, double eps, const torch::Tensor& head) {
  const auto channels = x.size(1), outputs = head.size(0);
  auto y = torch::empty({x.size(0), outputs, x.size(2), x.size(3)},
                        x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const auto build = build_for(channels, x);
  const Parameters rows(x, weight, bias, head);
  const detail::PixelSums sums(device, x, build);
  Launch launch{{sums.cut.chunks, x.size(0), 1}, device.block(), (2 + outputs) * channels * 4};
  device.run(build, "norm_pixel_head", launch, pointer(x), pointer(sums.parts), rows[0], rows[1], rows[2], rows.narrow,
             pointer(y), static_cast<int>(x.size(2) * x.size(3)), static_cast<int>(channels), sums.chunk(),
             sums.chunks(), static_cast<float>(eps), static_cast<int>(outputs));
  return y;
}

struct NormGradients {
  torch::Tensor x, weight, bias, logits;
};

/// dy dense in x's layout. The gradients of weight and bias are float32.
inline NormGradients instance_norm_relu_backward(Launcher& device, const torch::Tensor& x, const torch::Tensor& logits,
                                                 bool identity, const torch::Tensor& table, const torch::Tensor& dy) {
  NormGradients out;
  out.x = torch::empty_like(x);
  if (logits.defined()) out.logits = torch::empty_like(x);
  const auto n = static_cast<int>(x.size(2) * x.size(3)), channels = static_cast<int>(x.size(1));
  const float one = identity ? 1.f : 0.f;
  const bool last = is_channels_last(x);
  const auto build = build_for(last ? channels : n, x, logits, dy, out.x, out.logits);
  const auto slabs = last ? detail::slabs_of(device, x, build, 2, 2 * build.pack) : detail::Slabs{};
  if (last && slabs.wide == 0) {
    const detail::PixelChunks cut(x, build, device, 3);
    const auto chunk = static_cast<int>(cut.chunk), chunks = static_cast<int>(cut.chunks);
    const auto parts = torch::empty({x.size(0), cut.chunks, 2, channels}, table.options());
    out.weight = torch::empty({channels}, table.options()), out.bias = torch::empty({channels}, table.options());
    device.run(build, "norm_pixel_grad_sums", cut.sums, pointer(x), pointer(logits), pointer(dy), pointer(table),
               pointer(parts), n, channels, chunk, one);
    device.run(build, "norm_pixel_grad_apply", cut.apply, pointer(x), pointer(logits), pointer(dy), pointer(table),
               pointer(parts), pointer(out.x), pointer(out.logits), pointer(out.weight), pointer(out.bias), n, channels,
               chunk, chunks, one);
    return out;
  }
  const auto sums = torch::empty({x.size(0), 2, channels}, table.options());
  if (last) {
    device.run(build, "norm_slab_backward", slabs.launch, pointer(x), pointer(logits), pointer(dy), pointer(table),
               pointer(out.x), pointer(out.logits), pointer(sums), n, channels, static_cast<int>(slabs.wide), one);
  } else {
    const auto launch = detail::planes_of(device, x, 2);
    device.run(build, "norm_plane_backward", launch, pointer(x), pointer(logits), pointer(dy), pointer(table),
               pointer(out.x), pointer(out.logits), pointer(sums), n, channels, one, launch.shared > 0 ? 1 : 0);
  }
  const auto total = sums.sum(0);
  out.weight = total.select(0, 0), out.bias = total.select(0, 1);
  return out;
}

}  // namespace pam::kernels::cuda
