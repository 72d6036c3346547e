// SPDX-License-Identifier: MIT
/// Vectors of 8 or 16 floats, and what the kernels that compute with them share.
#pragma once

#include <pam/kernels/detail/cpu/simd.hpp>

#include <cstdint>
#include <utility>

#if defined(__clang__)
#define PAM_UNROLL PAM_PRAGMA(clang loop unroll(full))
#else
#define PAM_UNROLL PAM_PRAGMA(GCC unroll 16)
#endif

namespace pam::kernels::cpu {

/// Vectors as the compilers' own types: the sums of a matrix product must stay in registers, which no plain loop
/// ensures. They are only handed on by reference, so that no calling convention depends on the instruction set.
struct Lanes8 {
  static constexpr int kCount = 8;
  typedef float Vector __attribute__((vector_size(32)));
  typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
  typedef double Wide __attribute__((vector_size(64)));
};
struct Lanes16 {
  static constexpr int kCount = 16;
  typedef float Vector __attribute__((vector_size(64)));
  typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));
  typedef double Wide __attribute__((vector_size(128)));
};

/// Calls `Body::run(args...)`, whose vectors are `Lanes`, compiled for a processor that has such vectors.
template <typename Lanes, typename Body, typename... Args>
void in_lanes(Args... args) {
  if constexpr (Lanes::kCount == 16) {
    run_avx512<Body>(args...);
  } else {
    run_avx2<Body>(args...);
  }
}

/// Vectors of floats in memory, and what the lanes' loops share.
template <typename Lanes>
struct LaneVectors {
  using Vector = typename Lanes::Vector;
  using Wide = typename Lanes::Wide;
  static constexpr std::int64_t kLanes = Lanes::kCount;
  static constexpr auto kWidth = static_cast<std::size_t>(kLanes);

  static PAM_INLINE const Vector& vector(const float* p) { return *reinterpret_cast<const Vector*>(p); }
  static PAM_INLINE Vector& vector(float* p) { return *reinterpret_cast<Vector*>(p); }

  /// Of every lane what the function of one number gives: NaN passes (simd.hpp).
  static PAM_INLINE void relu(Vector& x) {
    const auto bits = reinterpret_cast<Integers>(x);
    x = reinterpret_cast<Vector>(bits & (bits > kNegativeInfinity));
  }
  /// x where f > 0, else 0.
  static PAM_INLINE void keep_where_positive(const Vector& f, Vector& x) {
    x = reinterpret_cast<Vector>(reinterpret_cast<Integers>(x) & (f > Vector{}));
  }
  static PAM_INLINE void add(Wide& total, const Vector& x) { total = total + __builtin_convertvector(x, Wide); }

 private:
  using Integers = decltype(std::declval<Vector>() > std::declval<Vector>());
  static constexpr std::int32_t kNegativeInfinity = static_cast<std::int32_t>(0xff800000u);
};

}  // namespace pam::kernels::cpu
