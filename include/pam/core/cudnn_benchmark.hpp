// SPDX-License-Identifier: MIT
/// `CudnnBenchmark`: cuDNN measures its algorithms instead of guessing.
#pragma once

#include <pam/core/torch.hpp>

namespace pam {

/// During its lifetime cuDNN tries its algorithms for every convolution of a new shape and keeps the fastest, as
/// `torch.backends.cudnn.benchmark = True` in Python; LibTorch's default is cuDNN's estimate. It pays where shapes
/// repeat, as in training and in graphs: the first call of each shape takes some seconds. Which algorithm wins may
/// differ from run to run, and with it the last bits of a result. For the whole process; no effect on the CPU.
class CudnnBenchmark {
 public:
  CudnnBenchmark() : before_(at::globalContext().benchmarkCuDNN()) { at::globalContext().setBenchmarkCuDNN(true); }
  CudnnBenchmark(const CudnnBenchmark&) = delete;
  CudnnBenchmark& operator=(const CudnnBenchmark&) = delete;
  ~CudnnBenchmark() { at::globalContext().setBenchmarkCuDNN(before_); }

 private:
  bool before_;
};

}  // namespace pam
