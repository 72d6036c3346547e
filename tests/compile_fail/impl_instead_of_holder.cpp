// SPDX-License-Identifier: MIT
// expect: pam: a Block must be a module holder, as TORCH_MODULE makes it; if you passed FooImpl, pass Foo
#include <pam/nets/unet.hpp>

#ifdef PAM_EXPECT_PASS
using Block = pam::ConvBlock;
#else
using Block = pam::ConvBlockImpl;
#endif
pam::UNetOptions<Block> options(1, 1);
