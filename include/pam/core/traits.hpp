// SPDX-License-Identifier: MIT
/// What a Block and an Attention are, as traits, and the one sentence a user reads when a type is not one.
///
/// A *block* changes channels or stride: `Block::Impl::Options` offers in_channels(), out_channels() and stride(),
/// `Block::Impl` is built from those options, and forward maps
/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
/// An *attention* keeps the shape: `Attention::Impl::Options` offers channels().
/// The traits are named so that they can become C++20 concepts.
#pragma once

#include <pam/core/torch.hpp>

#include <type_traits>
#include <utility>

namespace pam {

namespace detail {

template <typename T, typename = void>
struct has_impl : std::false_type {};
template <typename T>
struct has_impl<T, std::void_t<typename T::Impl>>
    : std::bool_constant<std::is_base_of_v<torch::nn::ModuleHolder<typename T::Impl>, T>> {};

template <typename T, typename = void>
struct has_options : std::false_type {};
template <typename T>
struct has_options<T, std::void_t<typename T::Impl::Options>> : std::true_type {};

template <typename O, typename = void>
struct has_channel_pair : std::false_type {};
template <typename O>
struct has_channel_pair<O, std::void_t<decltype(std::declval<O&>().in_channels(std::int64_t{})),
                                       decltype(std::declval<O&>().out_channels(std::int64_t{}))>> : std::true_type {};

template <typename O, typename = void>
struct has_stride : std::false_type {};
template <typename O>
struct has_stride<O, std::void_t<decltype(std::declval<O&>().stride(std::int64_t{}))>> : std::true_type {};

template <typename O, typename = void>
struct has_channels : std::false_type {};
template <typename O>
struct has_channels<O, std::void_t<decltype(std::declval<O&>().channels(std::int64_t{}))>> : std::true_type {};

// Asked of Impl, not of the holder: ModuleHolder's constructors accept anything and fail only in their bodies.
template <typename Impl>
inline constexpr bool is_built_from_options_v = std::is_constructible_v<Impl, typename Impl::Options>;

template <typename Impl, typename = void>
struct maps_tensor : std::false_type {};
template <typename Impl>
struct maps_tensor<Impl, std::void_t<decltype(std::declval<Impl&>().forward(std::declval<const torch::Tensor&>()))>>
    : std::is_same<torch::Tensor, decltype(std::declval<Impl&>().forward(std::declval<const torch::Tensor&>()))> {};

template <typename Impl>
inline constexpr bool is_cloneable_v = std::is_base_of_v<torch::nn::Cloneable<Impl>, Impl>;

template <typename T, typename = void>
struct has_min_size : std::false_type {};
template <typename T>
struct has_min_size<T, std::void_t<decltype(std::declval<const T&>().min_size())>> : std::true_type {};

template <typename T, typename = void>
struct trains_reversed : std::false_type {};
template <typename T>
struct trains_reversed<T, std::void_t<decltype(T::Impl::kTrainsReversed)>>
    : std::bool_constant<T::Impl::kTrainsReversed> {};

struct NoOptions {
  NoOptions() = default;
  NoOptions& in_channels(std::int64_t) { return *this; }
  NoOptions& out_channels(std::int64_t) { return *this; }
  NoOptions& stride(std::int64_t) { return *this; }
};
template <typename T, typename = void>
struct options_of {
  using type = NoOptions;  // lets BlockCheck speak first
};
template <typename T>
struct options_of<T, std::enable_if_t<has_options<T>::value>> {
  using type = typename T::Impl::Options;
};

template <typename T>
constexpr bool is_block() {
  if constexpr (!has_impl<T>::value) {
    return false;
  } else if constexpr (!has_options<T>::value) {
    return false;
  } else {
    using Impl = typename T::Impl;
    using Options = typename Impl::Options;
    return has_channel_pair<Options>::value && has_stride<Options>::value && is_built_from_options_v<Impl> &&
           maps_tensor<Impl>::value && is_cloneable_v<Impl>;
  }
}

template <typename T>
constexpr bool is_attention() {
  if constexpr (!has_impl<T>::value) {
    return false;
  } else if constexpr (!has_options<T>::value) {
    return false;
  } else {
    using Impl = typename T::Impl;
    return has_channels<typename Impl::Options>::value && is_built_from_options_v<Impl> && maps_tensor<Impl>::value &&
           is_cloneable_v<Impl>;
  }
}

}  // namespace detail

/// True for holders of blocks: ConvBlock, FalsePositiveAttention, Attended<A>, your own.
template <typename T>
inline constexpr bool is_block_v = detail::is_block<T>();

/// True for holders of attentions that keep the shape: SqueezeExcite, CBAM, your own.
template <typename T>
inline constexpr bool is_attention_v = detail::is_attention<T>();

/// `Block::Impl::Options`.
template <typename Block>
using options_t = typename detail::options_of<Block>::type;

/// Instantiating this explains, in one sentence, why `Block` is not a block; only the first unmet rule speaks.
template <typename Block>
struct BlockCheck {
 private:
  static constexpr bool holder = detail::has_impl<Block>::value;
  static_assert(holder,
                "pam: a Block must be a module holder, as TORCH_MODULE makes it; if you passed FooImpl, pass Foo");
  static constexpr bool options = !holder || detail::has_options<Block>::value;
  static_assert(options, "pam: a Block needs Block::Impl::Options with in_channels, out_channels and stride; "
                         "declare `using Options = FooOptions;` in FooImpl");
  using O = options_t<Block>;
  static constexpr bool channels = !holder || !options || detail::has_channel_pair<O>::value;
  static_assert(channels, "pam: Block::Impl::Options must offer in_channels and out_channels; "
                          "write TORCH_ARG(std::int64_t, in_channels) = 0; and the same for out_channels");
  static constexpr bool stride = !holder || !options || !channels || detail::has_stride<O>::value;
  static_assert(stride, "pam: Block::Impl::Options must offer stride, since an encoder stage halves the size; "
                        "write TORCH_ARG(std::int64_t, stride) = 1; and pass it to the first convolution");
  template <bool Ask, typename B>
  static constexpr bool built() {
    if constexpr (Ask) return detail::is_built_from_options_v<typename B::Impl>;
    return true;
  }
  template <bool Ask, typename B>
  static constexpr bool maps() {
    if constexpr (Ask) return detail::maps_tensor<typename B::Impl>::value;
    return true;
  }
  template <bool Ask, typename B>
  static constexpr bool cloneable() {
    if constexpr (Ask) return detail::is_cloneable_v<typename B::Impl>;
    return true;
  }
  static constexpr bool named = holder && options && channels && stride;
  static constexpr bool from_options = built<named, Block>();
  static_assert(from_options, "pam: Block::Impl must have a constructor that takes Block::Impl::Options");
  static constexpr bool forward = maps<named && from_options, Block>();
  static_assert(forward, "pam: Block::Impl must offer torch::Tensor forward(const torch::Tensor&)");
  static_assert(cloneable<named && from_options && forward, Block>(),
                "pam: Block::Impl must derive from torch::nn::Cloneable<Block::Impl> and register in reset()");
};

/// The same for attentions.
template <typename Attention>
struct AttentionCheck {
 private:
  static constexpr bool holder = detail::has_impl<Attention>::value;
  static_assert(holder, "pam: an Attention must be a module holder, as TORCH_MODULE makes it; "
                        "if you passed FooImpl, pass Foo");
  static_assert(!holder || is_attention_v<Attention>,
                "pam: an Attention needs Attention::Impl::Options with channels, a constructor of Impl from them, "
                "torch::Tensor forward(const torch::Tensor&) that keeps the shape, and torch::nn::Cloneable<Impl>");
};

/// The smallest input side of a block: its own `min_size()`, else the smallest that leaves more than one pixel.
template <typename Block>
std::int64_t min_size_of(const Block& block, std::int64_t stride) {
  if constexpr (detail::has_min_size<typename Block::Impl>::value) return block->min_size();
  return stride + 1;
}

}  // namespace pam
