// SPDX-License-Identifier: MIT
// expect: pam: a Block needs Block::Impl::Options with in_channels, out_channels and stride
#include <pam/core/traits.hpp>
#include <pam/layers/conv_block.hpp>

#ifdef PAM_MISUSE
using Block = torch::nn::Conv2d;  // a holder, but its Impl names no Options
#else
using Block = pam::ConvBlock;
#endif

static_assert(sizeof(pam::BlockCheck<Block>) != 0);
