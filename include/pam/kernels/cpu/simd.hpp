// SPDX-License-Identifier: MIT
/// How pam's CPU kernels become vector code: plain loops in `PAM_INLINE` bodies, compiled once for AVX2 and once for
/// AVX-512 inside the two functions below, chosen at run time. Built for SSE2, as a header's code is by default, the
/// same loops lose to LibTorch. (clang 14's target_clones breaks linking when a header is used in two translation
/// units.)
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

/// A body must be inlined into the function that carries the target, or it stays SSE2 code.
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

/// What the kernels run on; `None` means the reference expressions. Tests lower it to reach every path.
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
PAM_INLINE void store(at::BFloat16* p, float value) {  // to nearest, ties to even; NaN stays NaN
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  const auto rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  p->x = static_cast<std::uint16_t>(value != value ? 0x7fc0u : rounded);
}

/// Lets NaN through, as torch::relu does: a diverged training must show.
PAM_INLINE float relu(float x) { return x < 0.f ? 0.f : x; }

/// e^x to 2 ulp, +inf above 88.7, 2e-38 below -87; a vectorised loop has no std::exp to call.
/// n = round(x / ln 2) by adding 1.5 * 2^23, e^x = 2^n * e^(x - n ln 2), the latter by a polynomial (Cephes' expf).
PAM_INLINE float fast_exp(float x) {
  x = x < -87.f ? -87.f : x;
  x = x > 89.f ? 89.f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.f;
  const float n = shifted - 12582912.f;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const auto scale = (__builtin_bit_cast(std::uint32_t, shifted) << 23) + 0x3f800000u;
  return p * __builtin_bit_cast(float, scale);
}

PAM_INLINE float sigmoid(float x) { return 1.f / (1.f + fast_exp(-x)); }

}  // namespace pam::kernels::cpu
