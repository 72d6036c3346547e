// SPDX-License-Identifier: MIT
/// 3x3 convolutions: LibTorch's, or pam's Winograd convolution, which needs a quarter of the products (with stride 2
/// nine sixteenths).
#pragma once

#include <pam/kernels/activation.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace pam::kernels {

namespace cpu {
enum class WinogradKind;
struct CachedWeights;
}  // namespace cpu

/// How the fused backend computes 3x3 convolutions (`Backend::Reference` always takes LibTorch's).
enum class Convolution {
  Direct,    ///< by LibTorch (oneDNN): a result has the rounding errors of a plain sum of products
  Auto,      ///< by Winograd's method where that is faster, else by LibTorch
  Winograd,  ///< by Winograd's method wherever it can, for tests and measurements
};

/// What all modules use. Default: what the environment variable PAM_CONVOLUTION says, one of "direct", "auto" and
/// "winograd"; else `Auto`. Throws `Error` for another value of the variable.
Convolution default_convolution();
void set_default_convolution(Convolution convolution);

/// "direct", "auto" or "winograd".
std::string name_of(Convolution convolution);

/// What `default_convolution()` means on this processor, for records of a run: "direct", "auto (AVX-512)", ...
std::string convolution_in_use();

/// The transformed weights that a module keeps between its calls: four times the weights' memory, freed with the
/// module. They are renewed when a call finds other numbers in the weights, by whatever means these were changed: every
/// call takes a checksum of them (about 0.1 ms per million weights). LibTorch's version counter does not suffice:
/// torch::optim::SGD, among others, writes through `data()`, which does not count. Calls from several threads are safe.
/// A copy starts empty.
class Conv3x3Cache {
 public:
  Conv3x3Cache() = default;
  Conv3x3Cache(const Conv3x3Cache&) noexcept {}
  Conv3x3Cache& operator=(const Conv3x3Cache&) noexcept { return *this; }
  ~Conv3x3Cache() = default;

  /// Those of `weight`, float32 (K, C, 3, 3) on the CPU.
  std::shared_ptr<const cpu::CachedWeights> of(const torch::Tensor& weight, cpu::WinogradKind kind);

 private:
  std::mutex mutex_;
  std::shared_ptr<const cpu::CachedWeights> weights_;
};

namespace reference {

/// x (N, C, H, W), weight (K, C, 3, 3), bias (K) or undefined -> (N, K, ceil(H / stride), ceil(W / stride)); padding 1.
torch::Tensor conv3x3(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                      std::int64_t stride = 1);

}  // namespace reference

/// The same with stride 1, in x's layout. Winograd's method is used for float32 on a CPU with AVX2, outside of autocast
/// and of forward-mode differentiation, where `default_convolution()` and, with `Auto`, the sizes of the layer allow
/// (conv3x3-inl.hpp states the rule and the measurements behind it). The gradients of the input and of the weights are
/// computed in the same way. Winograd's result for an image depends neither on the others of its batch nor on the
/// number of threads; whether it is used does not either, except that where the weights want a gradient, small images
/// use it in large batches alone. Its error is at most 2e-5 of the output's largest entry, and usually that of a plain
/// sum; a value that is not finite reaches the outputs up to 4 pixels away, not only its neighbours.
torch::Tensor conv3x3(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                      Conv3x3Cache& cache, Backend backend);

/// relu(instance_norm(conv3x3(x))) without a bias; weight (K, C, 3, 3), norm of K channels. In inference on
/// channels-last float32, where Winograd's method is used, x's norm and ReLU are computed while it is read, with stride
/// 1 also its upsampling and concatenation, the statistics of the new norm come from the outputs while they are at
/// hand, and that norm and its ReLU are left to the reader of the result. (The channels of an upsampled `deep` must be
/// a multiple of 16 for this.) Only here Winograd's method is used with a stride, of 2.
Activation conv3x3_norm_relu(const Activation& x, const torch::Tensor& weight, const InstanceNorm& norm,
                             Conv3x3Cache& cache, Backend backend, std::int64_t stride = 1);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/conv3x3-inl.hpp>
#endif
