// SPDX-License-Identifier: MIT
#include <pam/datasets/find_isles.hpp>
#include <pam/images/load_case.hpp>
#include "support/phantom.hpp"
#include <pam/data/split.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace datasets_find_isles_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;
using Names = std::vector<std::string>;

void touch(const TempDir& folder, const Names& names) {
  for (const auto& name : names) write_file(folder / name);
}
/// A file in a folder of its own name, as SMIR packs them.
void touch_smir(const TempDir& folder, const std::string& place, const Names& kinds) {
  for (const auto& kind : kinds) {
    const auto name = "SMIR.Brain.XX.O." + kind + ".3455";
    touch(folder, {place + "/" + name + "/" + name + ".nii"});
  }
}
const Names kMaps{"CT_CBF", "CT_CBV", "CT_MTT", "CT_Tmax"};

/// A case of ISLES'22 as Zenodo has it: FLAIR in anat/, in capitals.
void touch_bids(const TempDir& folder, const std::string& images, const std::string& id, bool flair, bool mask) {
  const auto name = "sub-strokecase" + id;
  const auto base = images + name + "/ses-0001/";
  touch(folder, {base + "dwi/" + name + "_ses-0001_dwi.nii.gz", base + "dwi/" + name + "_ses-0001_adc.nii.gz",
                 base + "dwi/" + name + "_ses-0001_dwi.json"});
  if (flair) touch(folder, {base + "anat/" + name + "_ses-0001_FLAIR.nii.gz"});
  if (mask) touch(folder, {"derivatives/" + name + "/ses-0001/" + name + "_ses-0001_msk.nii.gz"});
}
std::string why(const std::filesystem::path& root, bool need_labels = true) {
  return message_of<Error>([&] { static_cast<void>(find_isles(root, need_labels)); });
}
std::string joined(const Names& names) { return pam::joined(names, "\n"); }

TEST_CASE("ISLES 2018: perfusion maps in channel order and the lesion; CT and 4DPWI are ignored", "[datasets]") {
  const TempDir folder;
  write_isles_phantom(folder.path(), {3, {32, 32}, 4, 1});
  touch_smir(folder, "TRAINING/case_1", {"CT", "CT_4DPWI"});
  const auto found = find_isles(folder.path());
  REQUIRE(names_of(found.cases) == Names{"case_1", "case_2", "case_3"});
  REQUIRE(found.edition == IslesEdition::Isles2018);
  REQUIRE(found.modalities == Names{"CBF", "CBV", "MTT", "Tmax"});
  REQUIRE_FALSE(found.needs_resampling());
  REQUIRE(found.notices.empty());
  for (const auto& item : found.cases) {
    REQUIRE(item.images.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) REQUIRE_THAT(item.images[i].filename().string(), Contains(kMaps[i] + "."));
    REQUIRE_THAT(item.labels.filename().string(), Contains(".OT."));
  }
  CaseOptions options;
  options.labels = LabelMap::parse(kIslesLesion);
  const auto first = load_case(found.cases.front(), options);
  REQUIRE(first.image.sizes() == torch::IntArrayRef({4, 4, 32, 32}));
  REQUIRE(first.labels.to(torch::kLong).equal(read_nifti(found.cases.front().labels).voxels.eq(1).to(torch::kLong)));
  REQUIRE(names_of(find_isles(folder / "TRAINING/").cases) == names_of(found.cases));
}

TEST_CASE("ISLES 2018: TESTING is ignored beside TRAINING, and is found by itself without labels", "[datasets]") {
  const TempDir folder;
  touch_smir(folder, "ISLES2018/TRAINING/case_1", {"CT_CBF", "CT_CBV", "CT_MTT", "CT_Tmax", "OT"});
  touch_smir(folder, "ISLES2018/TESTING/case_1", kMaps);
  const auto both = find_isles(folder.path());
  REQUIRE(both.cases.size() == 1);
  REQUIRE_THAT(both.cases[0].images[0].string(), Contains("TRAINING"));
  REQUIRE_THAT(joined(both.notices), Contains("TESTING: ignored"));
  REQUIRE_THAT(why(folder / "ISLES2018/TESTING"), Contains("case case_1: no OT file") && Contains("CT_CBF"));
  const auto test = find_isles(folder / "ISLES2018/TESTING", false);
  REQUIRE((test.cases.size() == 1 && test.cases[0].labels.empty()));
  std::filesystem::rename(folder / "ISLES2018/TRAINING", folder / "ISLES2018/more");
  REQUIRE_THAT(why(folder.path()), Contains("several places") && Contains("more") && Contains("TESTING"));
}

TEST_CASE("ISLES 2018: a missing map, an empty folder and two files for one are named", "[datasets]") {
  const TempDir folder;
  touch_smir(folder, "TRAINING/case_7", {"CT", "CT_CBF", "CT_CBV", "CT_Tmax", "OT"});
  REQUIRE_THAT(why(folder.path()), Contains("case case_7: no MTT file") && Contains("SMIR.Brain.XX.O.CT_CBV") &&
                                       Contains("isles-challenge.org"));
  std::filesystem::create_directories(folder / "TRAINING/case_7/SMIR.Brain.XX.O.CT_MTT.1");  // and nothing in it
  REQUIRE_THAT(why(folder.path()), Contains("case case_7: no MTT file"));
  touch(folder, {"TRAINING/case_7/SMIR.Brain.XX.O.CT_MTT.1/a.nii", "TRAINING/case_7/SMIR.Brain.XX.O.CT_MTT.1/b.nii"});
  REQUIRE_THAT(why(folder.path()),
               Contains("case case_7: more than one MTT file") && Contains("a.nii") && Contains("b.nii"));
  std::filesystem::remove(folder / "TRAINING/case_7/SMIR.Brain.XX.O.CT_MTT.1/b.nii");
  REQUIRE(find_isles(folder.path()).cases[0].images[2].filename() == "a.nii");  // by the folder's name
}

TEST_CASE("ISLES'22: DWI, ADC, FLAIR with the masks of derivatives, in either release's folders", "[datasets]") {
  for (const std::string images : {"", "rawdata/"}) {
    const TempDir folder;
    touch_bids(folder, images, "0001", true, true);
    touch_bids(folder, images, "0002", true, true);
    touch(folder,
          {"dataset_description.json", "derivatives/sub-strokecase0009/ses-0001/sub-strokecase0009_msk.nii.gz"});
    for (const auto& root : {folder.path(), folder / "rawdata/"}) {
      if (!std::filesystem::exists(root)) continue;
      const auto found = find_isles(root);
      REQUIRE(names_of(found.cases) == Names{"sub-strokecase0001", "sub-strokecase0002"});
      REQUIRE(found.edition == IslesEdition::Isles22);
      REQUIRE(found.needs_resampling());
      REQUIRE(found.modalities == Names{"DWI", "ADC", "FLAIR"});
      REQUIRE_THAT(found.cases[0].images[0].filename().string(), Contains("0001_dwi.nii.gz"));
      REQUIRE_THAT(found.cases[0].images[1].filename().string(), Contains("0001_adc.nii.gz"));
      REQUIRE_THAT(found.cases[0].images[2].filename().string(), Contains("0001_FLAIR.nii.gz"));
      REQUIRE_THAT(found.cases[1].labels.string(), Contains("derivatives/sub-strokecase0002/ses-0001/"));
      REQUIRE_THAT(joined(found.notices), Contains("no images") && Contains("sub-strokecase0009"));
    }
  }
}

TEST_CASE("ISLES'22: one case without FLAIR removes it from all, with a warning, and drops no case", "[datasets]") {
  const TempDir folder;
  touch_bids(folder, "ISLES-2022/", "0001", true, false);
  touch_bids(folder, "ISLES-2022/", "0002", false, false);
  std::filesystem::create_directories(folder / "x");
  const auto found = find_isles(folder.path(), false);
  REQUIRE(found.modalities == Names{"DWI", "ADC"});
  for (const auto& item : found.cases) REQUIRE(item.images.size() == 2);
  REQUIRE(found.cases.size() == 2);
  REQUIRE(found.notices.size() == 1);
  REQUIRE_THAT(found.notices[0], Contains("FLAIR is left out") && Contains("1 of 2") && Contains("sub-strokecase0002"));
}

TEST_CASE("ISLES'22: a missing ADC map is not filled by its folder's name; missing and doubled masks are named",
          "[datasets]") {
  const TempDir folder;
  touch_bids(folder, "", "0003", true, false);
  REQUIRE_THAT(why(folder.path()),
               Contains("case sub-strokecase0003: no label file") &&
                   Contains("derivatives/sub-strokecase0003/ses-0001/sub-strokecase0003_ses-0001_msk.nii.gz"));
  touch_bids(folder, "", "0003", true, true);
  touch(folder, {"derivatives/other/sub-strokecase0003_ses-0001_msk.nii.gz"});
  REQUIRE_THAT(why(folder.path()), Contains("case sub-strokecase0003: more than one msk file") && Contains("other"));
  std::filesystem::remove_all(folder / "derivatives/other");
  REQUIRE(find_isles(folder.path()).cases.size() == 1);
  const auto dwi = folder / "sub-strokecase0003/ses-0001/dwi";
  touch(folder, {"sub-strokecase0003/ses-0002/sub-strokecase0003_ses-0002_adc.nii.gz"});
  REQUIRE_THAT(why(folder.path()), Contains("case sub-strokecase0003: more than one adc file") && Contains("ses-0002"));
  std::filesystem::remove_all(folder / "sub-strokecase0003/ses-0002");
  std::filesystem::remove(dwi / "sub-strokecase0003_ses-0001_adc.nii.gz");
  REQUIRE_THAT(why(folder.path()), Contains("case sub-strokecase0003: no adc file") && Contains("_dwi.nii.gz"));
  touch(folder, {"sub-strokecase0003/ses-0001/dwi/sub-strokecase0003_ses-0001_adc.nii.gz"});
  std::filesystem::remove(dwi / "sub-strokecase0003_ses-0001_dwi.nii.gz");  // adc lies in the folder dwi, all the same
  REQUIRE_THAT(why(folder.path()), Contains("case sub-strokecase0003: no dwi file"));
}

TEST_CASE("ISLES: absent data says where to register and what is expected", "[datasets]") {
  const TempDir folder;
  const auto help = pam::detail::help_text(pam::detail::kIslesHelp);
  REQUIRE_THAT(help, Contains("isles-challenge.org") && Contains("zenodo") && Contains("TRAINING/case_N") &&
                         Contains("sub-strokecaseNNNN"));
  REQUIRE_THAT(why({}), Contains("no folder") && Contains(help));
  REQUIRE_THAT(why(folder / "none"), Contains("no such folder") && Contains(help));
  REQUIRE_THAT(why(folder.path()), Contains("is empty") && Contains(help));
  touch(folder, {"notes.txt"});
  REQUIRE_THAT(why(folder / "notes.txt"), Contains("is a file") && Contains(help));
  REQUIRE_THAT(why(folder.path()), Contains("no case_N and no sub-*") && Contains(help));
  touch_smir(folder, "a/TRAINING/case_1", {"CT_CBF"});
  touch_bids(folder, "b/", "0001", true, true);
  REQUIRE_THAT(why(folder.path()), Contains("holds both ISLES 2018") && Contains("TRAINING"));
}

TEST_CASE("the real ISLES'22 case loads, its FLAIR resampled to the mask's grid", "[datasets]") {
  const auto data = shared_dir() / "data/isles22";
  if (shared_dir().empty() || !std::filesystem::is_directory(data)) PAM_SKIP("the developers' shared/data is absent");
  const auto found = find_isles(data);
  REQUIRE((found.cases.size() == 1 && found.needs_resampling() && found.modalities.size() == 3));
  CaseOptions options;
  options.labels = LabelMap::parse(kIslesLesion);
  options.resample = found.needs_resampling();
  const auto loaded = load_case(found.cases[0], options);
  REQUIRE(loaded.image.sizes() == torch::IntArrayRef({3, 73, 112, 112}));
  REQUIRE(loaded.labels.eq(1).sum().item<std::int64_t>() == 523);  // as counted with nibabel (SOURCES.md)
  REQUIRE_THAT(joined(loaded.notices), Contains("flair.nii.gz: resampled"));
  // DWI is bright and ADC dark in the lesion, which holds only if files, channels and grids fit together.
  const auto lesion = loaded.labels.eq(1);
  const auto mean_of = [&](int channel) { return loaded.image[channel].masked_select(lesion).mean().item<double>(); };
  REQUIRE(mean_of(0) > mean_of(1) + 0.5);
  options.resample = false;
  REQUIRE_THAT(message_of<Error>([&] { static_cast<void>(load_case(found.cases[0], options)); }),
               Contains("flair") && Contains("must be of one size"));
}

}  // namespace datasets_find_isles_test
