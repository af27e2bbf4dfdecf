#!/usr/bin/env bash
# Moves the tag of the major version, such as v1, to the release $TAG of $GITHUB_REPOSITORY, if that is its newest one.
set -euo pipefail
export GH_REPO=$GITHUB_REPOSITORY

major=${TAG%%.*}
newest=$(gh release list --exclude-drafts --exclude-pre-releases --limit 1000 --json tagName --jq '.[].tagName' |
  grep -E "^$major\.[0-9]+\.[0-9]+\$" | sort --version-sort | tail -n 1)
if [ "$newest" != "$TAG" ]; then
  echo "$major stays: $newest is newer than $TAG."
  exit 0
fi

commit=$(gh api "repos/$GITHUB_REPOSITORY/commits/$TAG" --jq .sha)
if gh api "repos/$GITHUB_REPOSITORY/git/ref/tags/$major" --silent 2>/dev/null; then
  gh api --method PATCH "repos/$GITHUB_REPOSITORY/git/refs/tags/$major" -f sha="$commit" -F force=true --silent
else
  gh api --method POST "repos/$GITHUB_REPOSITORY/git/refs" -f ref="refs/tags/$major" -f sha="$commit" --silent
fi
echo "$major is $TAG now, at $commit."
