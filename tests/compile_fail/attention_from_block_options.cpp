// SPDX-License-Identifier: MIT
// expect: pam: CBAM is built from its options; write CBAM(CBAMOptions(...))
#include <pam/attention/cbam.hpp>
#include <pam/layers/conv_block.hpp>

#ifdef PAM_MISUSE
pam::CBAM attention(pam::ConvBlockOptions(3, 64));
#else
pam::CBAM attention(pam::CBAMOptions(64));
#endif
