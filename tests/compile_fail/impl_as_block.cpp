// SPDX-License-Identifier: MIT
// expect: pam: a Block must be a module holder, as TORCH_MODULE makes it; if you passed FooImpl, pass Foo
#include <pam/nets/unet.hpp>

#ifdef PAM_MISUSE
using Net = pam::UNet<pam::ConvBlockImpl>;
#else
using Net = pam::UNet<pam::ConvBlock>;
#endif

Net make() { return Net(Net::Impl::Options(4, 1)); }
