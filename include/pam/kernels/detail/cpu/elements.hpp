// SPDX-License-Identifier: MIT
/// The numbers of a tensor as the kernels compute with them: float32. A float32 tensor is read and written in place;
/// bfloat16 goes through a thread's scratch, a row or plane at a time, so that every loop is compiled for float32
/// alone.
#pragma once

#include <pam/kernels/detail/cpu/simd.hpp>

#include <cstring>

namespace pam::kernels::cpu {

struct WidenRow {
  static PAM_INLINE void run(const at::BFloat16* x, std::int64_t n, float* y) {
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) y[i] = load(x + i);
  }
};

struct NarrowRow {
  static PAM_INLINE void run(const float* x, std::int64_t n, at::BFloat16* y) {
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) store(y + i, x[i]);
  }
};

/// Of a dense float32 or bfloat16 tensor; of an undefined one, nothing: null pointers.
class Elements {
 public:
  explicit Elements(const torch::Tensor& x)
      : data_(x.defined() ? x.data_ptr() : nullptr), narrow_(x.defined() && x.scalar_type() == torch::kBFloat16) {}

  /// Floats of scratch for `n` numbers.
  [[nodiscard]] std::int64_t scratch(std::int64_t n) const { return narrow_ ? n : 0; }

  /// The numbers [at, at + n), in the tensor or in `scratch`.
  const float* read(std::int64_t at, std::int64_t n, float* scratch) const {
    if (!narrow_) return data_ == nullptr ? nullptr : static_cast<const float*>(data_) + at;
    vectorized<WidenRow>(static_cast<const at::BFloat16*>(data_) + at, n, scratch);
    return scratch;
  }

  /// Where the numbers from `at` on are to be written; then `finish`, with the same place.
  float* write(std::int64_t at, float* scratch) const {
    if (narrow_) return scratch;
    return data_ == nullptr ? nullptr : static_cast<float*>(data_) + at;
  }
  void finish(std::int64_t at, std::int64_t n, const float* written) const {
    if (narrow_) vectorized<NarrowRow>(written, n, static_cast<at::BFloat16*>(data_) + at);
  }
  /// Copies the numbers to [at, at + n), where the tensor is defined.
  void copy(std::int64_t at, std::int64_t n, const float* from) const {
    if (data_ == nullptr) return;
    if (narrow_) return finish(at, n, from);
    std::memcpy(static_cast<float*>(data_) + at, from, static_cast<std::size_t>(n) * sizeof(float));
  }

 private:
  void* data_;
  bool narrow_;
};

}  // namespace pam::kernels::cpu
