// SPDX-License-Identifier: MIT
/// Definitions of activation.hpp (core/config.hpp).
#pragma once

#include <pam/kernels/activation.hpp>
#include <pam/kernels/detail/cpu/instance_norm.hpp>
#include <pam/kernels/detail/cuda/upsample.hpp>
#include <pam/kernels/detail/readable.hpp>
#include <pam/kernels/gate.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/upsample.hpp>

namespace pam::kernels {

namespace detail {

/// In x's own memory where nobody else sees it.
PAM_FUNC torch::Tensor apply_table(const torch::Tensor& x, const torch::Tensor& table, const torch::Tensor& logits,
                                   bool identity) {
  const auto y = may_overwrite(x) ? x : torch::empty_like(x);
  cpu::apply_table(x, table, logits, identity, y);
  return y;
}

/// upsample_concat of an activation, whose norm and ReLU a GPU computes on the way; not where the norm alone is as
/// cheap.
PAM_FUNC torch::Tensor upsample_concat_of(const Activation& deep, const torch::Tensor& skip, Backend backend) {
  const auto& p = deep.parts();
  auto* device = gpu_that_reads(deep);
  if (device != nullptr && fused(backend, skip) && cpu::alike(p.x, skip) && !wants_graph(skip) &&
      is_channels_last(skip) && enlarges(p.x, skip) && p.x.sizes().slice(2) != skip.sizes().slice(2) &&
      !cuda::norm_reads_once(*device, p.x)) {
    return cuda::upsample_concat(*device, p.x, p.norm.weight, p.norm.bias, p.norm.eps, skip);
  }
  return upsample_concat(deep.tensor(), skip, backend);
}

}  // namespace detail

PAM_FUNC Activation::Activation(const torch::Tensor& x) : parts_(std::make_shared<Parts>()) { parts_->x = x; }

PAM_FUNC Activation::Activation(torch::Tensor x, const InstanceNorm& norm, Backend backend)
    : parts_(std::make_shared<Parts>()) {
  parts_->x = std::move(x), parts_->norm = norm, parts_->backend = backend;
}

PAM_FUNC Activation::Activation(const Activation& deep, const Activation& skip, Backend backend)
    : parts_(std::make_shared<Parts>()) {
  parts_->deep = deep, parts_->skip = skip, parts_->backend = backend;
}

PAM_FUNC const torch::Tensor& Activation::tensor() const {
  static const torch::Tensor none;
  if (parts_ == nullptr) return none;
  auto& p = *parts_;
  if (p.deep.parts_ != nullptr) {
    p.x = detail::upsample_concat_of(p.deep, p.skip.tensor(), p.backend);
    p.deep = p.skip = Activation();
  } else if (p.table.defined()) {
    p.x = detail::apply_table(p.x, p.table, {}, /*identity=*/false);
  } else if (p.norm.weight.defined()) {
    p.x = instance_norm_relu(std::move(p.x), p.norm.weight, p.norm.bias, p.norm.eps, p.backend);
  }
  p.norm = {}, p.table = torch::Tensor();
  return p.x;
}

PAM_FUNC std::vector<std::int64_t> Activation::sizes() const {
  if (parts_ == nullptr) return {};
  const auto& p = *parts_;
  if (p.deep.parts_ == nullptr) return p.x.defined() ? p.x.sizes().vec() : std::vector<std::int64_t>();
  auto sizes = p.skip.sizes();
  sizes[1] += p.deep.sizes()[1];
  return sizes;
}

PAM_FUNC torch::Tensor gate(Activation features, const torch::Tensor& logits, bool identity, Backend backend) {
  auto& p = features.parts();
  if (!p.norm.weight.defined()) return reference::gate(features.tensor(), logits, identity);
  auto x = features.shared() ? p.x : std::move(p.x);
  if (backend == Backend::Fused && p.table.defined() && cpu::alike(x, logits) && x.sizes() == logits.sizes() &&
      !detail::wants_graph(logits) && !detail::has_tangent(logits)) {
    return detail::apply_table(x, p.table, logits.contiguous(at::MemoryFormat::ChannelsLast), identity);
  }
  return instance_norm_relu_gate(std::move(x), p.norm.weight, p.norm.bias, p.norm.eps, logits, identity, backend);
}

}  // namespace pam::kernels
