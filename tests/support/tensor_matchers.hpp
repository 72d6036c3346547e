// SPDX-License-Identifier: MIT
/// `REQUIRE_THAT(actual, IsClose(expected).rtol(1e-5).atol(1e-7))` prints the worst entry, both values and the bound.
#pragma once

#include <pam/core/error.hpp>

#include "support/catch.hpp"

#include <string>

namespace pam::test {

#if __has_include(<catch2/catch_all.hpp>)
using TensorMatcher = Catch::Matchers::MatcherBase<torch::Tensor>;
#else
using TensorMatcher = Catch::MatcherBase<torch::Tensor>;
#endif

/// |actual - expected| <= atol + rtol * scale, where scale is |expected| entry by entry, or with `.of_largest()` the
/// largest |expected| of the whole tensor. NaN matches only NaN.
class IsClose final : public TensorMatcher {
 public:
  explicit IsClose(torch::Tensor expected) : expected_(std::move(expected)) {}
  IsClose& rtol(double value) { rtol_ = value; return *this; }
  IsClose& atol(double value) { atol_ = value; return *this; }
  IsClose& of_largest() { of_largest_ = true; return *this; }

  bool match(const torch::Tensor& actual) const override {
    if (!actual.defined() || !expected_.defined()) { report_ = "one of the tensors is undefined"; return false; }
    if (actual.sizes() != expected_.sizes()) {
      report_ = fmt::format("shape {} instead of {}", shape_string(actual), shape_string(expected_));
      return false;
    }
    if (actual.numel() == 0) return true;
    const auto a = actual.detach().to(torch::kCPU, torch::kDouble).reshape(-1);
    const auto e = expected_.detach().to(torch::kCPU, torch::kDouble).reshape(-1);
    const auto same_nan = a.isnan().logical_and(e.isnan());
    const auto scale = of_largest_ ? e.abs().max().expand_as(e) : e.abs();
    const auto excess = ((a - e).abs() - atol_ - rtol_ * scale).masked_fill(same_nan.logical_or(a == e), -1.0);
    const auto bad = excess.isnan().logical_or(excess > 0);
    const auto worst = torch::where(excess.isnan(), torch::full_like(excess, 1e300), excess).argmax().item<std::int64_t>();
    report_ = fmt::format("{} of {} entries differ; worst at flat index {}: {:.9g} instead of {:.9g}",
                          bad.sum().item<std::int64_t>(), a.numel(), worst, a[worst].item<double>(),
                          e[worst].item<double>());
    return !bad.any().item<bool>();
  }
  std::string describe() const override { return fmt::format("is close (rtol {}, atol {}): {}", rtol_, atol_, report_); }

 private:
  torch::Tensor expected_;
  double rtol_ = 0, atol_ = 0;
  bool of_largest_ = false;
  mutable std::string report_;
};

}  // namespace pam::test
