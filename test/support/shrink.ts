// The shortest part of a sequence of steps that still fails.

/** Removes runs of steps, long ones first, as long as what is left still fails; asks at most `attempts` times. */
export async function shrink<Step>(
  steps: readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  attempts: number,
): Promise<readonly Step[]> {
  let left = steps;
  for (let run = Math.ceil(left.length / 2); run >= 1; run = run === 1 ? 0 : Math.ceil(run / 2)) {
    for (let at = 0; at < left.length; ) {
      if (attempts-- <= 0) return left;
      const shorter = [...left.slice(0, at), ...left.slice(at + run)];
      if (await fails(shorter)) left = shorter;
      else at += run;
    }
  }
  return left;
}
