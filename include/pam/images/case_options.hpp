// SPDX-License-Identifier: MIT
/// `CaseOptions`: how images and labels are prepared, from files (images/load_case.hpp) or tensors
/// (inference/predictor.hpp).
#pragma once

#include <pam/data/normalise.hpp>
#include <pam/data/plane_size.hpp>
#include <pam/data/sample.hpp>
#include <pam/images/labels.hpp>
#include <pam/images/mask_channel.hpp>

#include <cstdint>
#include <string>

namespace pam {

static_assert(LabelMap::kIgnore == kIgnoreLabel, "LabelMap and Sample must agree on the ignore label");

/// How images become a net's input, in this order: channels, labels, normalise, resize (pictures), crop, pad.
struct CaseOptions {
  LabelMap labels = {};  ///< from the label files' numbers to classes
  Normalise normalise = Normalise::Auto;
  std::int64_t channels = 0;  ///< of pictures: 0 = as stored, 1 = grey, 3 = RGB
  PlaneSize resize = {};      ///< of pictures, before cropping; not given = as they are
  PlaneSize crop = {};        ///< centre crop or pad of every slice; not given = as they are
  /// Smaller slices are padded to this size around their centre. Where a loader pads training slices to the largest of
  /// them, test slices must be padded as much, or the instance norms see other statistics.
  PlaneSize pad_to_at_least = {};
  std::int64_t pad_label = kIgnoreLabel;  ///< the label of padding
  bool resample = false;  ///< bring modalities of another grid to the grid of the labels (or of the first modality)
  bool ignore_affine = false;    ///< pair files voxel by voxel even if their axes point in different directions
  bool zero_non_finite = false;  ///< take NaN and infinity in images and labels as 0 instead of refusing the file
  /// `normalise` is that of a training, as a weights file names it: no notice advises another. Not kept in files.
  bool as_trained = false;
  double window_low = 0, window_high = 1;  ///< of `Normalise::Window`: these intensities become 0 and 1
  /// "RAS", "LPS" …: volumes are brought to this orientation (predictions return to the input's); empty = as stored.
  std::string orient = {};
  /// The orientation that the training's volumes had, where `orient` is empty: volumes of another are brought to it,
  /// with a notice (predictions return to the input's); a file whose header does not say how its axes run stays as
  /// stored, with a notice. Empty = not known, as stored.
  std::string axes = {};
  MaskChannel mask_channel = MaskChannel::Grey;  ///< of label pictures: where the labels are
};

}  // namespace pam
