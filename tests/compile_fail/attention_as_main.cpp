// SPDX-License-Identifier: MIT
// expect: pam: this is an Attention, which keeps the shape, where a Block is due; write Attended<YourAttention>
#include <pam/attention/attended.hpp>
#include <pam/attention/gated_block.hpp>
#include <pam/attention/squeeze_excite.hpp>

#ifdef PAM_MISUSE
using Block = pam::GatedBlock<pam::SqueezeExcite>;
#else
using Block = pam::GatedBlock<pam::Attended<pam::SqueezeExcite>>;
#endif

Block make() { return Block(Block::Impl::Options(4, 8)); }
