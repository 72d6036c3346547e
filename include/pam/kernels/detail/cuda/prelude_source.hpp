// SPDX-License-Identifier: MIT
/// CUDA source that precedes every kernel: element types, packs, and the reduction. The strings are compiled by NVRTC
/// for a GPU, and for the tests by the host's compiler, with a shim that defines CUDA's names.
#pragma once

namespace pam::kernels::cuda {

/// Needs two macros: PAM_ELEMENT (0 float, 1 bfloat16, 2 float16) and PAM_PACK (elements a thread moves at once).
inline constexpr const char* kPreludeSource = R"PAM(
typedef unsigned short Bits16;
#if PAM_ELEMENT == 0
typedef float Element;
__device__ inline float widen(Element e) { return e; }
__device__ inline Element narrow(float f) { return f; }
#else
struct Element {
  Bits16 bits;
};
#if PAM_ELEMENT == 1
__device__ inline float widen(Element e) { return __uint_as_float((unsigned)e.bits << 16); }
#endif
#ifndef PAM_SHIM
#if PAM_ELEMENT == 1
__device__ inline Element narrow(float f) {
  Element e;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(e.bits) : "f"(f));
  return e;
}
#else
__device__ inline float widen(Element e) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(e.bits));
  return f;
}
__device__ inline Element narrow(float f) {
  Element e;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(e.bits) : "f"(f));
  return e;
}
#endif
#else
#if PAM_ELEMENT == 2
__device__ inline float widen(Element e) { return shim_half_to_float(e.bits); }
#endif
__device__ inline Element narrow(float f) {
  Element e;
  e.bits = shim_narrow(f, PAM_ELEMENT);
  return e;
}
#endif
#endif

struct alignas(sizeof(Element) * PAM_PACK) Pack {
  Element v[PAM_PACK];
};

__device__ inline float relu(float x) { return x < 0.f ? 0.f : x; }  // NaN passes
__device__ inline float sigmoid(float x) { return 1.f / (1.f + __expf(-x)); }

// Sums each of N numbers over the block, in a fixed order; every thread receives the sums.
template <int N>
__device__ inline void block_sums(float (&v)[N]) {
#ifdef PAM_SHIM
  const int parts = blockDim.x;
  __shared__ float part[1024 * N];
  for (int k = 0; k < N; ++k) part[threadIdx.x * N + k] = v[k];
#else
  const int parts = (blockDim.x + 31) / 32;
  __shared__ float part[32 * N];
  __syncthreads();  // the sums of the previous call have been read
  for (int k = 0; k < N; ++k) {
    for (int step = 16; step > 0; step /= 2) v[k] += __shfl_xor_sync(0xffffffffu, v[k], step);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32 * N + k] = v[k];
  }
#endif
  __syncthreads();
  for (int k = 0; k < N; ++k) {
    float sum = 0;
    for (int i = 0; i < parts; ++i) sum += part[i * N + k];
    v[k] = sum;
  }
#ifdef PAM_SHIM
  __syncthreads();
#endif
}

// A block of a channels-last kernel: `tile` packs of channels beside each other, `lanes` pixels at a time.
struct Lanes {
  int tile, lanes, pack, lane;
};
__device__ inline Lanes lanes_of(int packs) {
  Lanes l;
  const int first = blockIdx.z * 32;
  l.tile = packs - first < 32 ? packs - first : 32;
  l.lanes = blockDim.x / l.tile;
  l.pack = first + threadIdx.x % l.tile;
  l.lane = threadIdx.x / l.tile;
  return l;
}

// Sums K * PAM_PACK numbers of every pack over the lanes, in a fixed order, into out[k * channels + channel].
// Uses blockDim.x * K * PAM_PACK floats of dynamic shared memory.
template <int K>
__device__ inline void lane_sums(const float (&v)[K * PAM_PACK], const Lanes& l, float* out, int channels) {
  PAM_DYNAMIC_SHARED(float, all);
  const int count = K * PAM_PACK;
  for (int k = 0; k < count; ++k) all[threadIdx.x * count + k] = v[k];
  __syncthreads();
  for (int i = threadIdx.x; i < l.tile * count; i += blockDim.x) {
    const int pack = i / count, k = i % count;
    float sum = 0;
    for (int lane = 0; lane < l.lanes; ++lane) sum += all[(lane * l.tile + pack) * count + k];
    out[k / PAM_PACK * channels + (blockIdx.z * 32 + pack) * PAM_PACK + k % PAM_PACK] = sum;
  }
}
)PAM";

/// What NVRTC needs in addition; the tests' shim defines it differently.
inline constexpr const char* kDeviceSource = R"PAM(
#define PAM_DYNAMIC_SHARED(type, name)   \
  extern __shared__ float4 pam_shared[]; \
  type* name = reinterpret_cast<type*>(pam_shared)
)PAM";

}  // namespace pam::kernels::cuda
