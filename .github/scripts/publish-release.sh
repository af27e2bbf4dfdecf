#!/usr/bin/env bash
# Publishes release/ as the release of $TAG in $GITHUB_REPOSITORY. It is complete before anybody sees it: a draft, then
# the files, then the publication, after which GitHub lets nobody change files or tag.
set -euo pipefail
export GH_REPO=$GITHUB_REPOSITORY

# Of a run that broke off. A release that is out is never touched.
if draft=$(gh release view "$TAG" --json isDraft --jq .isDraft 2>/dev/null); then
  if [ "$draft" != true ]; then
    echo "::error::$TAG is released already, and a release cannot be changed. Raise the version."
    exit 1
  fi
  gh release delete "$TAG" --yes
fi

files=(release/SHA256SUMS)
while read -r _ name; do
  files+=("release/$name")
done <release/SHA256SUMS
(cd release && sha256sum --check --strict --quiet SHA256SUMS)

gh release create "$TAG" --draft --verify-tag --title "$TAG" --notes-file release/notes.md "${files[@]}"
gh release edit "$TAG" --draft=false

immutable=$(gh api "repos/$GITHUB_REPOSITORY/releases/tags/$TAG" --jq .immutable)
if [ "$immutable" != true ]; then
  echo "::error::$TAG is out, but its files can be changed. Switch on Settings > Releases > immutability, delete the" \
    "release and run this again."
  exit 1
fi
