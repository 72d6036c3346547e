// SPDX-License-Identifier: MIT
/// The only header of pam that includes LibTorch, and the only one that hides differences between 1.13 and 2.15.
/// Individual torch headers are not self-contained (1.13's instancenorm.h is one), so everything else includes this.
#pragma once

#include <torch/torch.h>
#include <torch/version.h>

#if TORCH_VERSION_MAJOR < 1 || (TORCH_VERSION_MAJOR == 1 && TORCH_VERSION_MINOR < 13)
#error "pam needs LibTorch 1.13 or newer; set CMAKE_PREFIX_PATH to a newer LibTorch"
#endif

/// 1 where this LibTorch is at least major.minor.
#define PAM_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))
