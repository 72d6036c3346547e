// SPDX-License-Identifier: MIT
/// CUDA source of the soft Dice sums and their gradient.
#pragma once

namespace pam::kernels::cuda {

inline constexpr const char* kDiceSource = R"PAM(
// parts: three sums per block, over `chunk` numbers.
extern "C" __global__ void dice_sums(const Element* logits, const float* target, float* parts, long long n, int chunk) {
  const long long first = (long long)blockIdx.x * chunk, last = first + chunk < n ? first + chunk : n;
  float s[3] = {0, 0, 0};
  for (long long i = first + threadIdx.x; i < last; i += blockDim.x) {
    const float p = sigmoid(widen(logits[i])), t = target[i];
    s[0] += p * t;
    s[1] += p;
    s[2] += t;
  }
  block_sums(s);
  if (threadIdx.x == 0)
    for (int k = 0; k < 3; ++k) parts[3 * (long long)blockIdx.x + k] = s[k];
}

// The gradient of the sums stays on the device: reading it here would make the host wait.
extern "C" __global__ void dice_gradient(const Element* logits, const float* target, const float* gradient,
                                         Element* out, long long n) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float p = sigmoid(widen(logits[i]));
  out[i] = narrow((gradient[0] * target[i] + gradient[1]) * p * (1.f - p));
}
)PAM";

}  // namespace pam::kernels::cuda
