// SPDX-License-Identifier: MIT
// expect: pam: this is a Block, which changes channels or stride, where an Attention is due
#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>

#ifdef PAM_MISUSE
using Block = pam::Attended<pam::ConvBlock, pam::CBAM>;
#else
using Block = pam::Attended<pam::CBAM, pam::ConvBlock>;
#endif

Block make() { return Block(Block::Impl::Options(4, 8)); }
