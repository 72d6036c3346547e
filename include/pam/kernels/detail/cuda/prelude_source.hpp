// SPDX-License-Identifier: MIT
/// CUDA source that precedes every kernel: element types, packs, and the reductions. The strings are compiled by NVRTC
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
#ifdef PAM_SHIM
__device__ inline float widen(Element e) { return shim_widen(e.bits, PAM_ELEMENT); }
__device__ inline Element narrow(float f) { return {shim_narrow(f, PAM_ELEMENT)}; }
__device__ inline float low(unsigned w) { return shim_widen((Bits16)w, PAM_ELEMENT); }
__device__ inline float high(unsigned w) { return shim_widen((Bits16)(w >> 16), PAM_ELEMENT); }
__device__ inline unsigned join(float a, float b) {
  return shim_narrow(a, PAM_ELEMENT) | (unsigned)shim_narrow(b, PAM_ELEMENT) << 16;
}
#elif PAM_ELEMENT == 1
__device__ inline float widen(Element e) { return __uint_as_float((unsigned)e.bits << 16); }
__device__ inline Element narrow(float f) {
  Element e;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(e.bits) : "f"(f));
  return e;
}
// A word holds two elements, the first in its lower half.
__device__ inline float low(unsigned w) { return __uint_as_float(w << 16); }
__device__ inline float high(unsigned w) { return __uint_as_float(w & 0xffff0000u); }
__device__ inline unsigned join(float a, float b) {
  unsigned w;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(b), "f"(a));
  return w;
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
__device__ inline float low(unsigned w) { return widen({(Bits16)w}); }
__device__ inline float high(unsigned w) { return widen({(Bits16)(w >> 16)}); }
__device__ inline unsigned join(float a, float b) {
  unsigned w;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(b), "f"(a));
  return w;
}
#endif
#endif

// What a thread moves with one instruction.
#if PAM_ELEMENT != 0 && PAM_PACK > 1
struct alignas(2 * PAM_PACK) Pack {
  unsigned w[PAM_PACK / 2];
};
__device__ inline void unpack(const Pack& p, float (&f)[PAM_PACK]) {
#pragma unroll
  for (int k = 0; k < PAM_PACK / 2; ++k) {
    f[2 * k] = low(p.w[k]);
    f[2 * k + 1] = high(p.w[k]);
  }
}
__device__ inline Pack packed(const float (&f)[PAM_PACK]) {
  Pack p;
#pragma unroll
  for (int k = 0; k < PAM_PACK / 2; ++k) p.w[k] = join(f[2 * k], f[2 * k + 1]);
  return p;
}
#else
struct alignas(sizeof(Element) * PAM_PACK) Pack {
  Element v[PAM_PACK];
};
__device__ inline void unpack(const Pack& p, float (&f)[PAM_PACK]) {
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) f[k] = widen(p.v[k]);
}
__device__ inline Pack packed(const float (&f)[PAM_PACK]) {
  Pack p;
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) p.v[k] = narrow(f[k]);
  return p;
}
#endif

// NaN passes both: max.NaN and the approximations keep it. An infinite x gives 0 or 1.
#ifdef PAM_SHIM
__device__ inline float relu(float x) { return x < 0.f ? 0.f : x; }
__device__ inline float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }
#else
__device__ inline float relu(float x) {
  float y;
  asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
  return y;
}
__device__ inline float sigmoid(float x) {
  float e, y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(x * -1.4426950408889634f));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(1.f + e));
  return y;
}
#endif

// Calls use(load(i), i) for i = first, first + step, ... below `last`, with U loads in flight. Each item is loaded
// before any later one is used, so a thread may write where it read.
template <int U, typename Load, typename Use>
__device__ inline void stream(unsigned i, unsigned last, unsigned step, const Load& load, const Use& use) {
  for (; i + (U - 1) * step < last; i += U * step) {
    decltype(load(i)) item[U];
#pragma unroll
    for (int j = 0; j < U; ++j) item[j] = load(i + j * step);
#pragma unroll
    for (int j = 0; j < U; ++j) use(item[j], i + j * step);
  }
#pragma unroll 1
  for (; i < last; i += step) use(load(i), i);
}

// PAM_PACK numbers of a row of floats, at a multiple of PAM_PACK.
struct alignas(4 * (PAM_PACK < 4 ? PAM_PACK : 4)) Floats {
  float v[PAM_PACK < 4 ? PAM_PACK : 4];
};
__device__ inline void read_row(const float* row, float (&f)[PAM_PACK]) {
  constexpr int width = PAM_PACK < 4 ? PAM_PACK : 4;
#pragma unroll
  for (int k = 0; k < PAM_PACK; k += width) {
    const Floats four = *(const Floats*)(row + k);
#pragma unroll
    for (int j = 0; j < width; ++j) f[k + j] = four.v[j];
  }
}

// A parameter of channel c: float32, or (`narrow_type` != 0) of the kernel's element type.
__device__ inline float parameter(const void* row, int c, int narrow_type) {
  return narrow_type ? widen(((const Element*)row)[c]) : ((const float*)row)[c];
}

// Sums each of N numbers over the block, in a fixed order; every thread receives the sums.
template <int N>
__device__ inline void block_sums(float (&v)[N]) {
  __shared__ float part[32 * N];
  const int parts = (blockDim.x + 31) / 32;
  __syncthreads();  // the sums of the previous call have been read
#pragma unroll
  for (int k = 0; k < N; ++k) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) v[k] += __shfl_xor_sync(0xffffffffu, v[k], step);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32 * N + k] = v[k];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < N; ++k) {
    float sum = 0;
    for (int i = 0; i < parts; ++i) sum += part[i * N + k];
    v[k] = sum;
  }
}

// A block of a channels-last kernel: `tile` packs of channels beside each other, `lanes` pixels at a time. Threads
// beyond tile * lanes have lane == lanes and no work.
struct Lanes {
  int tile, lanes, pack, lane;
};
__device__ inline Lanes lanes_of(int packs, int widest) {
  Lanes l;
  const int first = blockIdx.z * widest;
  l.tile = packs - first < widest ? packs - first : widest;
  l.lanes = blockDim.x / l.tile;
  l.pack = threadIdx.x % l.tile;
  l.lane = threadIdx.x / l.tile;
  return l;
}

// Sums N numbers of every pack of the tile over the lanes, in a fixed order; `emit(i, sum)` is called for each
// i = pack * N + number, by one thread. `all` holds blockDim.x * (N + 1) floats of shared memory.
template <int N, typename Emit>
__device__ inline void lane_sums(float (&v)[N], const Lanes& l, float* all, const Emit& emit) {
  const bool whole = (l.tile & (l.tile - 1)) == 0 && l.tile <= 32;
  const int count = l.tile * N;
  int rows = l.lanes, stride = l.tile * (N + 1), pitch = N + 1;
  __syncthreads();  // what `all` held before has been read
  if (whole) {  // lanes of one warp first
    for (int step = 16; step >= l.tile; step /= 2) {
#pragma unroll
      for (int k = 0; k < N; ++k) v[k] += __shfl_xor_sync(0xffffffffu, v[k], step);
    }
    rows = blockDim.x / 32;
    stride = count;
    pitch = N;
    if (threadIdx.x % 32 < l.tile) {
#pragma unroll
      for (int k = 0; k < N; ++k) all[threadIdx.x / 32 * count + l.pack * N + k] = v[k];
    }
  } else {
#pragma unroll
    for (int k = 0; k < N; ++k) all[threadIdx.x * (N + 1) + k] = v[k];  // an odd stride: no two lanes share a bank
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    float sum = 0;
    for (int row = 0; row < rows; ++row) sum += all[row * stride + i / N * pitch + i % N];
    emit(i, sum);
  }
}
)PAM";

/// What NVRTC needs in addition; the tests' shim defines it differently.
inline constexpr const char* kDeviceSource = R"PAM(
extern __shared__ float4 pam_shared[];
#define PAM_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(pam_shared)
)PAM";

}  // namespace pam::kernels::cuda
