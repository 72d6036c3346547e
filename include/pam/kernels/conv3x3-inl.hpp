// SPDX-License-Identifier: MIT
/// Definitions of conv3x3.hpp (core/config.hpp).
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/conv3x3.hpp>
#include <pam/kernels/detail/cpu/turn_layout.hpp>
#include <pam/kernels/detail/cpu/winograd_conv.hpp>
#include <pam/kernels/detail/cpu/winograd_gradient.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/detail/readable.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace pam::kernels {

namespace detail {

PAM_FUNC Convolution convolution_named(const std::string& name) {
  for (const auto choice : {Convolution::Direct, Convolution::Auto, Convolution::Winograd}) {
    if (name == name_of(choice)) return choice;
  }
  fail("the environment variable PAM_CONVOLUTION is '{}'; it must be direct, auto or winograd, or be unset", name);
}

PAM_FUNC std::atomic<Convolution>& global_convolution() {
  static std::atomic<Convolution> choice{[] {
    const char* name = std::getenv("PAM_CONVOLUTION");
    return name == nullptr ? Convolution::Auto : convolution_named(name);
  }()};
  return choice;
}

/// Where Winograd's convolution of x (N, C, H, W) to K channels is faster than LibTorch's; `pixels`: x is
/// channels-last; `training`: the weights must be transformed for every call. Each clause has the times that it comes
/// from: LibTorch's over Winograd's, AVX-512, LibTorch 1.13; those without another remark on one thread.
PAM_FUNC bool winograd_pays(at::IntArrayRef x, bool pixels, std::int64_t k, std::int64_t stride, bool training) {
  const auto height = (x[2] + stride - 1) / stride, width = (x[3] + stride - 1) / stride;
  // Channels-last, 4 x C x 96 x 96 to 32 channels: C = 4 0.93, 8 1.5, 12 1.8, 16 2.2, 32 2.5; with stride 2: 4 0.5,
  // 8 0.8, 12 0.9, 16 1.2, 24 1.1. To K = 8 from 32: 2.2 and 1.3; a smaller K is in no network.
  // Contiguous tensors are turned into channels-last ones and back. From C to K at 4 x 160 x 160, processor time of two
  // threads: 16 to 16 1.0 to 1.3, 32 to 32 1.3, 64 to 64 1.2, 192 to 64 1.7; 32 to 64 at 80 x 80 1.1 to 1.3.
  if (x[1] < (!pixels ? 32 : stride == 1 ? 8 : 16) || k < (pixels ? 8 : 32)) return false;
  // A tile at the border of a small picture has outputs that nobody wants, and tiles are computed in groups of at least
  // 4, with less than 64 outputs of 12. Both together, products of LibTorch over Winograd's and times, of 64 to 128 and
  // 256 to 256 channels: 5 x 5 1.1, 1.4, 1.05; 7 x 7 3.1, 2.3, 2.3; 10 x 10 4.6, 3.1, 1.8. With stride 2, outputs of
  // 5 x 5 0.7, 0.9, 0.6; 7 x 7 1.4, 1.4, 0.97; 10 x 10 1.2, 1.2, 1.3; 8 x 8 1.8, 1.7, 1.3, but on two threads 1.0, 0.8;
  // 16 x 16 1.8, 1.6, 1.6.
  // One image decides: without gradients, results must not depend on the batch that an image is in.
  const auto [tiles, points] = cpu::with_points(cpu::winograd_kind(x, stride), [&](auto kind) {
    constexpr std::int64_t side = decltype(kind)::kOut, positions = decltype(kind)::kPositions;
    return std::pair((height + side - 1) / side * ((width + side - 1) / side), positions * positions);
  });
  if (stride == 2 && tiles <= 4) return false;
  const auto rows = k % 64 == 0 ? std::max<std::int64_t>(tiles, 4) : (tiles + 11) / 12 * 12;
  if (3 * points * rows * cpu::whole_panels(k) > 2 * 9 * height * width * k) return false;
  // A training step, processor time of two threads: 256 x 10 x 10 0.7, 128 x 14 x 14 0.9, 4 x 256 x 10 x 10 1.0,
  // 4 x 256 x 20 x 20 1.4.
  return !training || x[0] * height * width >= 1024;
}

/// Whether Winograd's convolution is to be used of an input of these sizes that it can read; the rest as above.
PAM_FUNC bool takes_winograd(at::IntArrayRef x, bool pixels, const torch::Tensor& weight, std::int64_t stride,
                             bool training) {
  if (x.size() != 4 || weight.scalar_type() != torch::kFloat || !on_cpu(weight) || weight.layout() != torch::kStrided ||
      weight.dim() != 4 || weight.size(1) != x[1] || weight.size(2) != 3 || weight.size(3) != 3 ||
      weight.numel() == 0 || has_tangent(weight) || autocast_enabled(torch::kCPU)) {
    return false;
  }
  const auto choice = default_convolution();
  return choice == Convolution::Winograd ||
         (choice == Convolution::Auto && winograd_pays(x, pixels, weight.size(0), stride, training));
}

/// The same of x itself.
PAM_FUNC bool takes_winograd(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                             Backend backend, bool training) {
  if (backend != Backend::Fused || has_tangent(x, bias) || !cpu::takes(x) || x.scalar_type() != torch::kFloat) {
    return false;
  }
  if (bias.defined() && (!cpu::alike(x, bias) || bias.dim() != 1 || bias.size(0) != weight.size(0))) return false;
  return takes_winograd(x.sizes(), is_channels_last(x), weight, /*stride=*/1, training);
}

/// The convolution in x's layout.
PAM_FUNC torch::Tensor winograd(const torch::Tensor& x, const cpu::WinogradWeights& weights,
                                const torch::Tensor& bias) {
  const auto input = dense(x.detach()), row = bias.defined() ? bias.detach().contiguous() : bias;
  if (is_channels_last(input)) return cpu::winograd_conv({input, {}, {}, {}}, weights, row);
  return cpu::to_planes(cpu::winograd_conv({cpu::to_pixels(input), {}, {}, {}}, weights, row));
}

struct Conv3x3 {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias, Conv3x3Cache& cache) {
    ctx->save_for_backward({x, weight, bias});
    return winograd(x, cache.of(weight, cpu::winograd_kind(x.sizes(), 1))->weights, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &bias = saved[2];
    if (torch::GradMode::is_enabled()) {
      return differentiable_gradients([](const auto& v) { return reference::conv3x3(v[0], v[1], v[2]); },
                                      {x, weight, bias}, grads[0]);
    }
    const auto input = dense(x.detach()), dy = grads[0].contiguous(layout_of(input));
    const auto in_pixels = [](const torch::Tensor& t) { return is_channels_last(t) ? t : cpu::to_pixels(t); };
    const auto dy_pixels = in_pixels(dy);
    torch::Tensor dx, dweight, dbias;
    // The gradient of a convolution is the convolution with the weights turned by half a circle, inputs for outputs.
    const bool turned = x.requires_grad() && takes_winograd(dy, weight.transpose(0, 1), {}, Backend::Fused, true);
    if (turned) {
      dx = cpu::winograd_conv({dy_pixels, {}, {}, {}},
                              cpu::WinogradWeights(weight.detach(), cpu::winograd_kind(dy.sizes(), 1), /*turned=*/true),
                              {});
      if (!is_channels_last(input)) dx = cpu::to_planes(dx);
    }
    if (weight.requires_grad()) dweight = cpu::winograd_gradient(in_pixels(input), dy_pixels, weight.detach());
    const std::array<bool, 3> rest{x.requires_grad() && !turned, false, bias.defined() && bias.requires_grad()};
    if (rest[0] || rest[2]) {
      const std::vector<std::int64_t> one{1, 1}, none{0, 0}, bias_size{weight.size(0)};
      const auto all = at::convolution_backward(dy, x, weight, at::OptionalIntArrayRef(bias_size), one, one, one,
                                                /*transposed=*/false, none, /*groups=*/1, rest);
      if (rest[0]) dx = std::get<0>(all);
      dbias = std::get<2>(all);
    }
    return {dx, dweight, dbias};
  }
};

}  // namespace detail

PAM_FUNC std::string name_of(Convolution convolution) {
  return convolution == Convolution::Direct ? "direct" : convolution == Convolution::Auto ? "auto" : "winograd";
}

PAM_FUNC std::string convolution_in_use() {
  const auto isa = cpu::isa().load();
  const auto choice = default_convolution();
  if (isa == cpu::Isa::None || choice == Convolution::Direct) return "direct";
  return name_of(choice) + (isa == cpu::Isa::Avx512 ? " (AVX-512)" : " (AVX2)");
}

PAM_FUNC Convolution default_convolution() { return detail::global_convolution(); }
PAM_FUNC void set_default_convolution(Convolution convolution) { detail::global_convolution() = convolution; }

PAM_FUNC std::shared_ptr<const cpu::CachedWeights> Conv3x3Cache::of(const torch::Tensor& weight,
                                                                    cpu::WinogradKind kind) {
  const auto now = weight.detach();
  cpu::WeightsKey key(now);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (weights_ == nullptr || weights_->weights.kind != kind || !(weights_->key == key)) {
    weights_ = std::make_shared<const cpu::CachedWeights>(
        cpu::CachedWeights{std::move(key), cpu::WinogradWeights(now, kind, /*turned=*/false)});
  }
  return weights_;
}

PAM_FUNC torch::Tensor reference::conv3x3(const torch::Tensor& x, const torch::Tensor& weight,
                                          const torch::Tensor& bias, std::int64_t stride) {
  return torch::conv2d(x, weight, bias, stride, /*padding=*/1);
}

PAM_FUNC torch::Tensor conv3x3(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                               Conv3x3Cache& cache, Backend backend) {
  if (!detail::takes_winograd(x, weight, bias, backend, detail::wants_graph(weight)))
    return reference::conv3x3(x, weight, bias);
  if (detail::wants_graph(x, weight, bias)) {
    torch::autograd::variable_list inputs{x, weight};
    if (bias.defined()) inputs.push_back(bias);
    return detail::apply_kernel(
        inputs, [&](auto* ctx) { return detail::Conv3x3::forward(ctx, x, weight, bias, cache); },
        detail::Conv3x3::backward);
  }
  return detail::winograd(x, cache.of(weight, cpu::winograd_kind(x.sizes(), 1))->weights, bias);
}

PAM_FUNC Activation conv3x3_norm_relu(const Activation& x, const torch::Tensor& weight, const InstanceNorm& norm,
                                      Conv3x3Cache& cache, Backend backend, std::int64_t stride) {
  if (backend == Backend::Fused && stride <= 2 && !detail::wants_graph(weight) &&
      detail::are_rows(weight.size(0), norm.weight, norm.bias) &&
      detail::takes_winograd(x.sizes(), /*pixels=*/true, weight, stride, /*training=*/false)) {
    const auto input = detail::winograd_input(x);
    if (input.x.defined() && (stride == 1 || !input.deep.defined())) {
      const cpu::FollowingNorm following{cpu::float_row(norm.weight), cpu::float_row(norm.bias),
                                         static_cast<float>(norm.eps)};
      torch::Tensor table;
      Activation y(cpu::winograd_conv(input, cache.of(weight, cpu::winograd_kind(x.sizes(), stride))->weights, {},
                                      &following, &table),
                   norm, backend);
      y.parts().table = table;
      return y;
    }
  }
  const auto y = stride == 1 ? conv3x3(x.tensor(), weight, {}, cache, backend)
                             : reference::conv3x3(x.tensor(), weight, {}, stride);
  return {y, norm, backend};
}

}  // namespace pam::kernels
