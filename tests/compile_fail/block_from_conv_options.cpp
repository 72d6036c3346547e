// SPDX-License-Identifier: MIT
// expect: pam: FalsePositiveAttention is built from its options; write FalsePositiveAttention(FalsePositiveAttentionOptions(...))
#include <pam/attention/false_positive_attention.hpp>

#ifdef PAM_MISUSE
pam::FalsePositiveAttention block(torch::nn::Conv2dOptions(3, 64, 3));
#else
pam::FalsePositiveAttention block(pam::FalsePositiveAttentionOptions(3, 64));
#endif
