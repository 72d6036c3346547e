// SPDX-License-Identifier: MIT
// expect: pam: reversed() of a net, or of its options, must return bool
#include <pam/core/reversible.hpp>

struct NetImpl : torch::nn::Module {
#ifdef PAM_MISUSE
  std::optional<bool> reversed() const { return false; }  // as a bool it would be true
#else
  bool reversed() const { return false; }
#endif
};
TORCH_MODULE(Net);
bool answer() { return pam::reversed_of(Net()).value_or(true); }
