// SPDX-License-Identifier: MIT
/// The arguments of UNet for every type of net in the zoo, as calls of PAM_ZOO_NET, which who includes this defines.
/// No #pragma once: it is included once to declare and once to define.
#ifdef PAM_ZOO_NET
PAM_ZOO_NET(pam::ConvBlock)
PAM_ZOO_NET(pam::DilatedBlock, pam::ConvBlock)
PAM_ZOO_NET(pam::ConvBlock, pam::ConvBlock, pam::ConvBlock, pam::GatedSkip)
PAM_ZOO_NET(pam::Attended<pam::SpatialChannelSqueezeExcite>, pam::ConvBlock,
            pam::Attended<pam::SpatialChannelSqueezeExcite>, pam::ConcatSkip,
            pam::Attended<pam::SpatialChannelSqueezeExcite>)
PAM_ZOO_NET(pam::Attended<pam::CBAM>, pam::Attended<pam::CBAM>, pam::ConvBlock, pam::ConcatSkip,
            pam::Attended<pam::CBAM>)
PAM_ZOO_NET(pam::Attended<pam::GlobalContext>, pam::Attended<pam::GlobalContext>, pam::ConvBlock, pam::ConcatSkip,
            pam::Attended<pam::GlobalContext>)
PAM_ZOO_NET(pam::FalsePositiveAttention)
PAM_ZOO_NET(pam::FalsePositiveAttention, pam::ConvBlock)
PAM_ZOO_NET(pam::ReverseFalseNegativeAttention)
PAM_ZOO_NET(pam::ReverseFalseNegativeAttention, pam::ConvBlock)
#endif
