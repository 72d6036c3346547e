// SPDX-License-Identifier: MIT
#include <pam/data/split.hpp>
#include <pam/datasets/find_cases.hpp>
#include <pam/datasets/other_files.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace datasets_find_cases_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// Empty files are enough: nothing is decoded here.
void touch(const TempDir& folder, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    std::filesystem::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << "";
  }
}

std::string why(const FolderOptions& options) {
  try {
    static_cast<void>(find_cases(options));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
FolderOptions in_root(const std::filesystem::path& root) {
  FolderOptions options;
  options.root = root;
  return options;
}

TEST_CASE("images/ and labels/ are paired by stem, whatever the extension; other files are skipped", "[datasets]") {
  const TempDir folder;
  touch(folder, {"images/b.png", "images/a.jpg", "images/c.d.nii.gz", "images/notes.txt", "images/.hidden.png",
                 "labels/a.png", "labels/b.PNG", "labels/c.d.nii"});
  const auto cases = find_cases(in_root(folder.path()));
  REQUIRE(names_of(cases) == std::vector<std::string>{"a", "b", "c.d"});
  REQUIRE(cases[0].images == std::vector<std::filesystem::path>{folder / "images/a.jpg"});
  REQUIRE(cases[2].labels == folder / "labels/c.d.nii");
  FolderOptions apart;
  apart.images = folder / "images";
  apart.labels = folder / "labels";
  REQUIRE(names_of(find_cases(apart)) == names_of(cases));
  apart.images = folder / "images/a.jpg";
  apart.labels = folder / "labels/b.PNG";  // single files need no common name
  REQUIRE(names_of(find_cases(apart)) == std::vector<std::string>{"a"});
}

TEST_CASE("known suffixes are taken off where no stems are equal", "[datasets]") {
  const TempDir folder;
  touch(folder, {"images/p1_image.png", "images/p2_image.png", "labels/p1_mask.png", "labels/p2_mask.png"});
  REQUIRE(names_of(find_cases(in_root(folder.path()))) == std::vector<std::string>{"p1", "p2"});
  const TempDir camvid;
  touch(camvid, {"images/0001TP_006690.png", "labels/0001TP_006690_L.png"});
  REQUIRE(names_of(find_cases(in_root(camvid.path()))) == std::vector<std::string>{"0001TP_006690"});
}

TEST_CASE("nnU-Net's channel files form one case; numbered frames do not", "[datasets]") {
  const TempDir folder;
  touch(folder, {"imagesTr/BRATS_001_0000.nii.gz", "imagesTr/BRATS_001_0001.nii.gz", "imagesTr/BRATS_002_0000.nii.gz",
                 "imagesTr/BRATS_002_0001.nii.gz", "labelsTr/BRATS_001.nii.gz", "labelsTr/BRATS_002.nii.gz"});
  const auto cases = find_cases(in_root(folder.path()));
  REQUIRE(names_of(cases) == std::vector<std::string>{"BRATS_001", "BRATS_002"});
  REQUIRE(cases[1].images == std::vector<std::filesystem::path>{folder / "imagesTr/BRATS_002_0000.nii.gz",
                                                                folder / "imagesTr/BRATS_002_0001.nii.gz"});
  const TempDir frames;
  touch(frames, {"images/f_0000.png", "images/f_0001.png", "labels/f_0000.png", "labels/f_0001.png"});
  REQUIRE(find_cases(in_root(frames.path())).size() == 2);
}

TEST_CASE("CamVid's train and trainannot folders give cases with their split", "[datasets]") {
  const TempDir folder;
  touch(folder, {"train/a.png", "trainannot/a.png", "val/b.png", "valannot/b.png", "test/c.png", "testannot/c.png"});
  const auto cases = find_cases(in_root(folder.path()));
  const auto split = split_by_folder(cases);
  REQUIRE(split.train == std::vector<std::string>{"a"});
  REQUIRE(split.validation == std::vector<std::string>{"b"});
  REQUIRE(split.test == std::vector<std::string>{"c"});
  touch(folder, {"val/a.png", "valannot/a.png"});
  REQUIRE_THAT(why(in_root(folder.path())), Contains("both are the case \"a\""));
}

TEST_CASE("CamVid's validation folder has three names, and no pair of folders is left out", "[datasets]") {
  for (const std::string name : {"validation", "valid"}) {
    const TempDir folder;
    touch(folder, {"train/a.png", "trainannot/a.png", name + "/b.png", name + "annot/b.png", "predictions/x.png"});
    const auto split = split_by_folder(find_cases(in_root(folder.path())));
    CHECK((split.train == std::vector<std::string>{"a"} && split.validation == std::vector<std::string>{"b"}));
    touch(folder, {"val/c.png", "valannot/c.png"});
    CHECK_THAT(why(in_root(folder.path())), Contains("val/") && Contains(name + "/") && Contains("the same part"));
  }
  const TempDir folder;
  touch(folder, {"train/a.png", "trainannot/a.png", "night/b.png", "nightannot/b.png"});
  CHECK_THAT(why(in_root(folder.path())), Contains("night and nightannot") && Contains("rename both"));
  std::filesystem::remove_all(folder / "night");
  CHECK_THAT(why(in_root(folder.path())), Contains("holds nightannot/, but no night/"));
}

TEST_CASE("folders of images below those that are read are named", "[datasets]") {
  const TempDir folder;
  touch(folder, {"images/a.png", "images/b.png", "labels/a.png", "labels/b.png", "images/more/c.png",
                 "labels/more/c.png", "images/notes/x.txt"});
  const auto cases = find_cases(in_root(folder.path()));
  CHECK_THAT(folders_below_warning(cases), Contains("2 folders beside the cases") && Contains("images/more"));
  std::filesystem::remove_all(folder / "images" / "more");
  std::filesystem::remove_all(folder / "labels" / "more");
  CHECK(folders_below_warning(cases).empty());
}

TEST_CASE("per-case folders find modalities by a word of the name, or by a pattern", "[datasets]") {
  const TempDir folder;
  touch(folder, {"p07/FLAIR_N4_regtoFLAIR.nii.gz", "p07/T1_N4_regtoFLAIR.nii.gz", "p07/T1POST_N4_regtoFLAIR.nii.gz",
                 "p07/GOLD_STANDARD_N4.nii.gz", "p19/FLAIR_N4.nii.gz", "p19/T1_N4.nii.gz", "p19/GOLD_STANDARD.nii.gz",
                 "p20/anat/T1.nii.gz", ".git/x.nii"});
  auto options = in_root(folder.path());
  options.modalities = {"t1", "flair"};
  options.label_name = "gold*";
  REQUIRE_THAT(why(options), Contains("/p20: 1 of 3 folders hold no NIfTI file"));  // no case is left out silently
  std::filesystem::remove_all(folder / "p20");
  const auto cases = find_cases(options);
  REQUIRE(names_of(cases) == std::vector<std::string>{"p07", "p19"});
  REQUIRE(cases[0].images[0].filename() == "T1_N4_regtoFLAIR.nii.gz");
  REQUIRE(cases[0].images[1].filename() == "FLAIR_N4_regtoFLAIR.nii.gz");
  REQUIRE(cases[1].labels.filename() == "GOLD_STANDARD.nii.gz");
  options.modalities = {"n4"};
  REQUIRE_THAT(why(options), Contains("\"n4\" names more than one") && Contains("p07"));
  options.modalities = {"t2"};
  REQUIRE_THAT(why(options), Contains("p07") && Contains("\"t2\""));
  options.modalities = {};
  REQUIRE_THAT(why(options), Contains("one folder per case") && Contains("FolderOptions::modalities t1 t2 flair"));
  options.modalities = {"t1"};
  options.label_name = "seg";
  REQUIRE_THAT(why(options), Contains("\"seg\""));
  options.need_labels = false;
  REQUIRE(find_cases(options)[0].labels.empty());
}

TEST_CASE("channels of a case are numbered from 0 without a gap, equally many in all cases", "[datasets]") {
  const TempDir folder;
  touch(folder, {"images/a_0000.nii", "images/a_0001.nii", "images/b_0000.nii", "images/b_0001.nii", "labels/a.nii",
                 "labels/b.nii"});
  REQUIRE(find_cases(in_root(folder.path()))[1].images.size() == 2);
  std::filesystem::rename(folder / "images/b_0001.nii", folder / "images/b_0002.nii");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("b_0002.nii: expected the channel b_0001 here"));
  std::filesystem::rename(folder / "images/b_0002.nii", folder / "images/b_0000.nii.gz");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("b_0000.nii") && Contains("expected the channel b_0001"));
  std::filesystem::remove(folder / "images/b_0000.nii.gz");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("case b: has 1 channels, case a has 2"));
}

TEST_CASE("an image is not its own label, and a link to nothing is no missing case", "[datasets]") {
  const TempDir folder;
  touch(folder, {"images/a.nii", "images/a_seg.nii"});
  FolderOptions same;
  same.images = folder / "images";
  same.labels = folder / "images/";
  REQUIRE_THAT(why(same), Contains("every image would be its own label"));
  same.images = same.labels = folder / "images/a.nii";
  REQUIRE_THAT(why(same), Contains("its own label"));
  touch(folder, {"labels/a.nii", "labels/a_seg.nii"});
  std::filesystem::create_symlink("not/fetched", folder / "images/b.nii");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("b.nii: is a link to a file that is not there"));
}

TEST_CASE("empty folders, unpaired and doubled files are refused by name", "[datasets]") {
  const TempDir folder;
  REQUIRE_THAT(why(in_root(folder / "none")), Contains("none") && Contains("no such folder"));
  REQUIRE_THAT(why(in_root(folder.path())), Contains("no layout that pam knows") && Contains("trainannot"));
  REQUIRE_THAT(why({}), Contains("neither"));
  touch(folder, {"images/readme.txt", "labels/x.png"});
  REQUIRE_THAT(why(in_root(folder.path())), Contains("images") && Contains("no NIfTI files"));
  touch(folder, {"images/x.png", "images/y.png"});
  REQUIRE_THAT(why(in_root(folder.path())),
               Contains("images/y.png") && Contains("no label file of that name") && Contains("1 of 2"));
  touch(folder, {"labels/y.png", "labels/z.png"});
  REQUIRE_THAT(why(in_root(folder.path())), Contains("labels/z.png") && Contains("no image file"));
  std::filesystem::remove(folder / "labels/z.png");
  touch(folder, {"images/x.jpg"});
  REQUIRE_THAT(why(in_root(folder.path())), Contains("x.png") && Contains("x.jpg") && Contains("rename"));
  FolderOptions apart;
  apart.images = folder / "images/x.png";
  apart.labels = folder / "labels/none.png";
  REQUIRE_THAT(why(apart), Contains("none.png") && Contains("no such label file"));
  apart.images = folder / "images";
  apart.labels.clear();
  REQUIRE_THAT(why(apart), Contains("labels is not given"));
  const TempDir unlabelled;
  touch(unlabelled, {"images/a.png"});
  REQUIRE_THAT(why(in_root(unlabelled.path())), Contains("but no labels/") && Contains("FolderOptions::labels"));
  auto predict = in_root(unlabelled.path());
  predict.need_labels = false;
  REQUIRE(find_cases(predict).size() == 1);
}

TEST_CASE("the real CamVid, hippocampus and MS folders are found", "[datasets]") {
  const auto data = shared_dir() / "data";
  if (shared_dir().empty() || !std::filesystem::is_directory(data)) PAM_SKIP("the developers' shared/data is absent");
  if (std::filesystem::is_directory(data / "camvid_256x128")) {
    const auto split = split_by_folder(find_cases(in_root(data / "camvid_256x128")));
    REQUIRE((split.train.size() > 100 && split.validation.size() > 50 && split.test.empty()));
  }
  if (std::filesystem::is_directory(data / "msd_hippocampus"))
    REQUIRE(find_cases(in_root(data / "msd_hippocampus")).size() > 100);
  if (std::filesystem::is_directory(data / "open_ms")) {
    auto options = in_root(data / "open_ms");
    options.modalities = {"t1", "t1post", "t2", "flair"};
    options.label_name = "gold";
    REQUIRE(names_of(find_cases(options)) == std::vector<std::string>{"patient07", "patient19"});
  }
}

TEST_CASE("folders of pam's results and of macOS are no cases, however deep they lie", "[datasets]") {
  const TempDir folder;
  touch(folder, {"p1/T1.nii", "p1/seg.nii", "p2/T1.nii", "p2/seg.nii", "__MACOSX/p1/._T1.nii", "run/.pam-results",
                 "run/unet/predictions/p2.nii", "masks/.pam-results", "masks/p1.nii", "runs/first/.pam-results",
                 "runs/first/unet/last.safetensors"});
  auto options = in_root(folder.path());
  options.modalities = {"t1"};
  REQUIRE(names_of(find_cases(options)) == std::vector<std::string>{"p1", "p2"});
  touch(folder, {"p1/masks/.pam-results", "p1/masks/p1.nii"});  // results in a case's folder leave the case
  REQUIRE(names_of(find_cases(options)) == std::vector<std::string>{"p1", "p2"});
  touch(folder, {"p3/deeper/T1.nii"});
  REQUIRE_THAT(why(options), Contains("/p3: 1 of 3 folders hold no NIfTI file"));
}

TEST_CASE("case folders without a file are left out where the caller takes the reasons", "[datasets]") {
  const TempDir folder;
  touch(folder, {"p1/T1.nii", "p1/seg.nii", "p2/T1.nii", "p3/seg.nii", "p4/deeper/T1.nii"});
  auto options = in_root(folder.path());
  options.modalities = {"t1"};
  std::vector<std::string> skipped;
  REQUIRE(names_of(find_cases(options, &skipped)) == std::vector<std::string>{"p1"});
  REQUIRE(skipped.size() == 3);
  std::filesystem::remove(folder / "p1/T1.nii");
  skipped.clear();
  REQUIRE_THAT(message_of<Error>([&] { static_cast<void>(find_cases(options, &skipped)); }),
               Contains("none of its 4 case folders has all files"));
}

TEST_CASE("words for case folders are refused where files are paired by name", "[datasets]") {
  const TempDir folder;
  touch(folder, {"a/images/p.png", "a/labels/p.png", "b/train/p.png", "b/trainannot/p.png"});
  FolderOptions apart;
  apart.images = folder / "a/images", apart.labels = folder / "a/labels";
  for (auto options : {in_root(folder / "a"), in_root(folder / "b"), apart}) {
    REQUIRE(find_cases(options).size() == 1);
    options.modalities = {"t1"};
    REQUIRE_THAT(why(options), Contains("FolderOptions::modalities is for one folder per case"));
    options.modalities = {};
    options.label_name = "mask";
    REQUIRE_THAT(why(options), Contains("FolderOptions::label_name is for one folder per case"));
  }
}

TEST_CASE("known layouts that are not read get a sentence that says what to do", "[datasets]") {
  const TempDir folder;
  touch(folder, {"kaggle/train/a.png", "kaggle/train_labels/a.png", "kaggle/val/b.png", "kaggle/val_labels/b.png",
                 "bids/sub-01/anat/sub-01_T1w.nii.gz", "bids/sub-02/anat/sub-02_T1w.nii.gz"});
  REQUIRE_THAT(why(in_root(folder / "kaggle")), Contains("train and train_labels look like images and their labels") &&
                                                    Contains("FolderOptions::labels") && Contains("trainannot"));
  auto predict = in_root(folder / "kaggle");
  predict.need_labels = false;
  REQUIRE_THAT(why(predict), Contains("give the folder of the images") && !Contains("FolderOptions::labels"));
  REQUIRE_THAT(why(in_root(folder / "bids")), Contains("BIDS") && Contains("images/sub-01.nii.gz"));
}

TEST_CASE("names that differ in their Unicode form alone are told apart in the message", "[datasets]") {
  const TempDir folder;
  touch(folder, {"images/caf\u00e9.png", "labels/cafe\u0301.png"});
  REQUIRE_THAT(why(in_root(folder.path())),
               Contains("the first with whole characters (NFC), the second with separate"));
  const TempDir korean;  // 한글: two syllables, each of three letters
  touch(korean, {"images/\ud55c\uae00.png", "labels/\u1112\u1161\u11ab\u1100\u1173\u11af.png"});
  REQUIRE_THAT(why(in_root(korean.path())), Contains("look the same"));
  const TempDir syllables;  // 한 and 하: other letters
  touch(syllables, {"images/\ud55c.png", "labels/\u1112\u1161.png"});
  REQUIRE_THAT(why(in_root(syllables.path())), !Contains("look the same"));
  const TempDir other;
  touch(other, {"images/caf\u00e9.png", "labels/caf\u00e8.png"});  // other letters of one form
  REQUIRE_THAT(why(in_root(other.path())), !Contains("look the same") && Contains("no label file"));
}

}  // namespace datasets_find_cases_test
