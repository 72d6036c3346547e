// SPDX-License-Identifier: MIT
/// Traits that define a Block, an Attention and a Skip, and the sentence that the compiler prints for a type that is
/// not.
///
/// A *block* changes channels or stride: `Block::Impl::Options` offers in_channels(), out_channels() and stride(),
/// `Block::Impl` is built from those options, and forward maps
/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
/// An *attention* keeps the shape: `Attention::Impl::Options` offers channels().
/// A *skip* joins encoder and decoder: `Skip::Impl::Options` offers deep_channels() and skip_channels(), and
/// forward(deep, skip) gives what the decoder's block reads.
/// All three list their options in `visit` (core/options.hpp), which printing a net and JSON need.
/// The traits are named so that they can become C++20 concepts.
#pragma once

#include <pam/core/options.hpp>

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

template <typename O, typename = void>
struct has_skip_channels : std::false_type {};
template <typename O>
struct has_skip_channels<O, std::void_t<decltype(std::declval<O&>().deep_channels(std::int64_t{})),
                                        decltype(std::declval<O&>().skip_channels(std::int64_t{}))>> : std::true_type {
};

// Tested on Impl, not on the holder: ModuleHolder's constructors accept anything and fail only in their bodies.
template <typename Impl>
struct is_built_from_options : std::is_constructible<Impl, typename Impl::Options> {};

template <typename Impl, typename... Tensors>
using forward_result_t = decltype(std::declval<Impl&>().forward(std::declval<const Tensors&>()...));

template <typename Impl, typename = void>
struct maps_tensor : std::false_type {};
template <typename Impl>
struct maps_tensor<Impl, std::void_t<forward_result_t<Impl, torch::Tensor>>>
    : std::is_same<torch::Tensor, forward_result_t<Impl, torch::Tensor>> {};

template <typename Impl, typename = void>
struct joins_tensors : std::false_type {};
template <typename Impl>
struct joins_tensors<Impl, std::void_t<forward_result_t<Impl, torch::Tensor, torch::Tensor>>>
    : std::is_same<torch::Tensor, forward_result_t<Impl, torch::Tensor, torch::Tensor>> {};

template <typename Impl>
struct is_cloneable : std::is_base_of<torch::nn::Cloneable<Impl>, Impl> {};

template <typename Impl>
struct lists_options : has_visit<typename Impl::Options> {};

/// `Trait<T::Impl>` if `Ask`, else true: a rule is tested only if those before it are met.
template <template <typename...> class Trait, bool Ask, typename T>
constexpr bool holds() {
  if constexpr (Ask) {
    return Trait<typename T::Impl>::value;
  } else {
    return true;
  }
}

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
  using type = NoOptions;  // so that BlockCheck fails first
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
    return has_channel_pair<Options>::value && has_stride<Options>::value && is_built_from_options<Impl>::value &&
           maps_tensor<Impl>::value && is_cloneable<Impl>::value && lists_options<Impl>::value;
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
    return has_channels<typename Impl::Options>::value && is_built_from_options<Impl>::value &&
           maps_tensor<Impl>::value && is_cloneable<Impl>::value && lists_options<Impl>::value;
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

/// Instantiating this explains, in one sentence, why `Block` is not a block; only the first unmet rule is reported.
template <typename Block>
struct BlockCheck {
 private:
  static constexpr bool holder = detail::has_impl<Block>::value;
  static_assert(holder,
                "pam: a Block must be a module holder, as TORCH_MODULE makes it; if you passed FooImpl, pass Foo");
  static constexpr bool options = !holder || detail::has_options<Block>::value;
  static_assert(options,
                "pam: a Block needs Block::Impl::Options with in_channels, out_channels and stride; declare `using "
                "Options = FooOptions;` in FooImpl");
  using O = options_t<Block>;
  static constexpr bool kind = !detail::has_channels<O>::value || detail::has_channel_pair<O>::value;
  static_assert(kind,
                "pam: this is an Attention, which keeps the shape, where a Block is due; write "
                "Attended<YourAttention>, which is a ConvBlock followed by it");
  static constexpr bool channels = !holder || !options || !kind || detail::has_channel_pair<O>::value;
  static_assert(channels,
                "pam: Block::Impl::Options must offer in_channels and out_channels; write TORCH_ARG(std::int64_t, "
                "in_channels) = 0; and the same for out_channels");
  static constexpr bool stride = !holder || !options || !kind || !channels || detail::has_stride<O>::value;
  static_assert(stride,
                "pam: Block::Impl::Options must offer stride, since an encoder stage halves the size; write "
                "TORCH_ARG(std::int64_t, stride) = 1; and pass it to the first convolution");
  static constexpr bool named = holder && options && kind && channels && stride;
  static constexpr bool from_options = detail::holds<detail::is_built_from_options, named, Block>();
  static_assert(from_options, "pam: Block::Impl must have a constructor that takes Block::Impl::Options");
  static constexpr bool built = named && from_options;
  static constexpr bool forward = detail::holds<detail::maps_tensor, built, Block>();
  static_assert(forward, "pam: Block::Impl must offer torch::Tensor forward(const torch::Tensor&)");
  static constexpr bool runs = built && forward;
  static constexpr bool cloneable = detail::holds<detail::is_cloneable, runs, Block>();
  static_assert(cloneable,
                "pam: Block::Impl must derive from torch::nn::Cloneable<Block::Impl> and register in reset()");
  static constexpr bool whole = runs && cloneable;
  static_assert(
      detail::holds<detail::lists_options, whole, Block>(),
      "pam: Block::Impl::Options must list its fields in a static visit(self, field), which printing and JSON need; "
      "see pam/core/options.hpp");
};

/// The same for attentions.
template <typename Attention>
struct AttentionCheck {
 private:
  static constexpr bool holder = detail::has_impl<Attention>::value;
  static_assert(holder,
                "pam: an Attention must be a module holder, as TORCH_MODULE makes it; if you passed FooImpl, pass Foo");
  static constexpr bool options = holder && detail::has_options<Attention>::value;
  using O = options_t<Attention>;
  static constexpr bool kind = !options || !detail::has_channel_pair<O>::value || detail::has_channels<O>::value;
  static_assert(kind,
                "pam: this is a Block, which changes channels or stride, where an Attention is due; "
                "Attended<Attention, Block> takes the attention first and the block second");
  static constexpr bool named = options && kind && detail::has_channels<O>::value;
  static_assert(
      named || !holder || !kind,
      "pam: an Attention needs Attention::Impl::Options with channels; declare `using Options = FooOptions;` in "
      "FooImpl and TORCH_ARG(std::int64_t, channels) = 0; in FooOptions");
  static constexpr bool from_options = detail::holds<detail::is_built_from_options, named, Attention>();
  static_assert(from_options, "pam: Attention::Impl must have a constructor that takes Attention::Impl::Options");
  static constexpr bool built = named && from_options;
  static constexpr bool forward = detail::holds<detail::maps_tensor, built, Attention>();
  static_assert(forward,
                "pam: Attention::Impl must offer torch::Tensor forward(const torch::Tensor&), which keeps the shape");
  static constexpr bool runs = built && forward;
  static constexpr bool cloneable = detail::holds<detail::is_cloneable, runs, Attention>();
  static_assert(cloneable,
                "pam: Attention::Impl must derive from torch::nn::Cloneable<Attention::Impl> and register in reset()");
  static constexpr bool whole = runs && cloneable;
  static_assert(detail::holds<detail::lists_options, whole, Attention>(),
                "pam: Attention::Impl::Options must list its fields in a static visit(self, field), which printing and "
                "JSON need; see pam/core/options.hpp");
};

/// The same for skips: ConcatSkip, GatedSkip, your own.
template <typename Skip>
struct SkipCheck {
 private:
  static constexpr bool holder = detail::has_impl<Skip>::value;
  static_assert(holder,
                "pam: a Skip must be a module holder, as TORCH_MODULE makes it; if you passed FooImpl, pass Foo");
  static constexpr bool named =
      holder && detail::has_options<Skip>::value && detail::has_skip_channels<options_t<Skip>>::value;
  static_assert(
      named || !holder,
      "pam: a Skip needs Skip::Impl::Options with deep_channels and skip_channels, which UNet fills in; if you passed "
      "a Block, it belongs into another place of UNet<Stage, Bridge, Decoder, Skip, Stem>");
  static constexpr bool from_options = detail::holds<detail::is_built_from_options, named, Skip>();
  static_assert(from_options, "pam: Skip::Impl must have a constructor that takes Skip::Impl::Options");
  static constexpr bool built = named && from_options;
  static constexpr bool forward = detail::holds<detail::joins_tensors, built, Skip>();
  static_assert(
      forward,
      "pam: Skip::Impl must offer torch::Tensor forward(const torch::Tensor& deep, const torch::Tensor& skip)");
  static constexpr bool runs = built && forward;
  static constexpr bool cloneable = detail::holds<detail::is_cloneable, runs, Skip>();
  static_assert(cloneable, "pam: Skip::Impl must derive from torch::nn::Cloneable<Skip::Impl> and register in reset()");
  static constexpr bool whole = runs && cloneable;
  static_assert(detail::holds<detail::lists_options, whole, Skip>(),
                "pam: Skip::Impl::Options must list its fields in a static visit(self, field), which printing and JSON "
                "need; see pam/core/options.hpp");
};

/// The smallest input side of a block: its own `min_size()`, else the smallest that leaves more than one pixel.
template <typename Block>
std::int64_t min_size_of(const Block& block, std::int64_t stride) {
  if constexpr (detail::has_min_size<typename Block::Impl>::value) return block->min_size();
  return stride + 1;
}

}  // namespace pam
