// SPDX-License-Identifier: MIT
/// How pam's CPU kernels become vector code: plain loops in `PAM_INLINE` bodies are compiled for AVX2 and for AVX-512
/// inside the two functions below, and one is chosen at run time. Compiled for SSE2, the default, the same loops are
/// slower than LibTorch. (clang 14's target_clones breaks linking when a header is used in two translation units.)
#pragma once

#include <pam/core/torch.hpp>

#include <atomic>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__)
#define PAM_X86 1
#define PAM_TARGET_AVX2 __attribute__((target("avx2,fma")))
#if defined(__clang__)
#define PAM_TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")))
#else
#define PAM_TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512")))
#endif
#else
#define PAM_X86 0
#define PAM_TARGET_AVX2
#define PAM_TARGET_AVX512
#endif

/// A body must be inlined into the function that has the target attribute, or it stays SSE2 code.
#define PAM_INLINE inline __attribute__((always_inline))

#define PAM_PRAGMA(text) _Pragma(#text)
// PAM_SIMD_LANES(n) stands before a short loop whose length is a multiple of n, which no compiler can know. (A loop of
// constant length is unrolled by clang before it is vectorised, and then is not.)
#if defined(_OPENMP)
#define PAM_SIMD PAM_PRAGMA(omp simd)
#define PAM_SIMD_LANES(n) PAM_PRAGMA(omp simd simdlen(n))
#define PAM_SIMD_SUM(...) PAM_PRAGMA(omp simd reduction(+ : __VA_ARGS__))
#elif defined(__clang__)
#define PAM_SIMD PAM_PRAGMA(clang loop vectorize(enable))
#define PAM_SIMD_LANES(n) PAM_PRAGMA(clang loop vectorize_width(n) interleave_count(1))
#define PAM_SIMD_SUM(...) PAM_PRAGMA(clang loop vectorize(enable))
#else
#define PAM_SIMD PAM_PRAGMA(GCC ivdep)
#define PAM_SIMD_LANES(n) PAM_PRAGMA(GCC ivdep)
#define PAM_SIMD_SUM(...)
#endif

// Whether a PAM_SIMD_SUM is spread over a vector's lanes. Not by sanitizers, which keep clang from vectorising, without
// optimisation, or by a g++ without OpenMP, which may not reorder a sum.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define PAM_SUMS_IN_LANES 0
#endif
#endif
#if !defined(PAM_SUMS_IN_LANES)
#if !defined(__OPTIMIZE__) || (!defined(_OPENMP) && !defined(__clang__)) || defined(__SANITIZE_ADDRESS__)
#define PAM_SUMS_IN_LANES 0
#else
#define PAM_SUMS_IN_LANES 1
#endif
#endif

// A user's file may be compiled with -ffast-math, which lets a compiler add in another order (clang obeys a pragma
// against it, g++ has none that works here), and take NaN and infinity for impossible: where NaN must pass, the code
// looks at bits.
#if defined(__clang__)
#define PAM_ORDERED_SUMS PAM_PRAGMA(clang fp reassociate(off))
#else
#define PAM_ORDERED_SUMS
#endif
#if !defined(__clang__) && (defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__))
#define PAM_REORDERS_SUMS 1
#else
#define PAM_REORDERS_SUMS 0
#endif
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define PAM_FINITE_MATH 1
#else
#define PAM_FINITE_MATH 0
#endif

namespace pam::kernels::cpu {

enum class Isa { None, Avx2, Avx512 };

inline Isa detect_isa() {
#if PAM_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq")) {
    return Isa::Avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::Avx2;
#endif
  return Isa::None;
}

/// The instruction set that the kernels use; `None` means the reference expressions. Tests lower it to try each path.
inline std::atomic<Isa>& isa() {
  static std::atomic<Isa> value{detect_isa()};
  return value;
}

template <typename Body, typename... Args>
PAM_TARGET_AVX2 void run_avx2(Args... args) {
  Body::run(args...);
}

template <typename Body, typename... Args>
PAM_TARGET_AVX512 void run_avx512(Args... args) {
  Body::run(args...);
}

/// Calls `Body::run(args...)`, a PAM_INLINE static function, compiled for this processor.
template <typename Body, typename... Args>
void vectorized(Args... args) {
  isa() == Isa::Avx512 ? run_avx512<Body>(args...) : run_avx2<Body>(args...);
}

// Elements: kernels compute in float32 whatever the tensors hold.

PAM_INLINE float load(const float* p) { return *p; }
PAM_INLINE float load(const at::BFloat16* p) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(p->x) << 16);
}
PAM_INLINE void store(float* p, float value) { *p = value; }

PAM_INLINE std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
PAM_INLINE float from_bits(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
/// By bits: -ffast-math decides x != x beforehand.
PAM_INLINE bool is_nan(std::uint32_t bits) { return (bits & 0x7fffffffu) > 0x7f800000u; }

PAM_INLINE void store(at::BFloat16* p, float value) {  // to nearest, ties to even; NaN stays NaN
  const auto bits = bits_of(value);
  const auto rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  p->x = static_cast<std::uint16_t>(is_nan(bits) ? 0x7fc0u : rounded);
}

/// Lets NaN through, as torch::relu does: a diverged training must show. As signed integers, the numbers below zero are
/// those up to -infinity's bits, and NaN is above.
PAM_INLINE float relu(float x) {
  const auto bits = bits_of(x);
  return from_bits(static_cast<std::int32_t>(bits) <= static_cast<std::int32_t>(0xff800000u) ? 0u : bits);
}

/// e^x to 2 ulp, +inf above 88.7, 2e-38 below -87; a vectorised loop has no std::exp to call.
/// n = round(x / ln 2) by adding 1.5 * 2^23, e^x = 2^n * e^(x - n ln 2), the latter by a polynomial (Cephes' expf).
/// With -ffast-math the largest value is e^88, and g++, which joins the two steps of r, leaves 64 ulp.
PAM_INLINE float fast_exp(float x) {
  PAM_ORDERED_SUMS
  constexpr float top = PAM_FINITE_MATH ? 88.f : 89.f;  // an infinite one's reciprocal by Newton's steps is NaN
  [[maybe_unused]] const auto given = bits_of(x);
  // Clamped by masks: g++ turns the obvious form into branches, and then does not vectorise for AVX2 (ten times
  // slower).
  const std::uint32_t low = 0u - static_cast<std::uint32_t>(x < -87.f), high = 0u - static_cast<std::uint32_t>(x > top);
  x = from_bits((bits_of(x) & ~(low | high)) | (bits_of(-87.f) & low) | (bits_of(top) & high));
  const float shifted = x * 1.44269504088896341f + 12582912.f;
#if PAM_REORDERS_SUMS  // by the sum's bits, or the addition would be taken back; without need, g++ would not vectorise
  const auto n = static_cast<float>(static_cast<std::int32_t>(bits_of(shifted) - 0x4b400000u));
#else
  const float n = shifted - 12582912.f;
#endif
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const auto result = p * from_bits((bits_of(shifted) << 23) + 0x3f800000u);
#if PAM_FINITE_MATH
  return from_bits(is_nan(given) ? given : bits_of(result));
#else
  return result;
#endif
}

PAM_INLINE float sigmoid(float x) { return 1.f / (1.f + fast_exp(-x)); }

}  // namespace pam::kernels::cpu
