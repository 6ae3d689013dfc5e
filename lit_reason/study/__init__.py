"""Studies: one paper's table from one YAML file, as ordered runs in processes of their own.

    title: Do labels of a weak model teach a strong one?
    paper: Burns et al., 2312.09390
    seeds: [0, 1, 2]
    variables: {steps: 100}                          # ${steps} in every run
    runs:
      weak:
        command: fit                                 # a real `train.py fit`
        config: configs/weak_to_strong/weak.yaml     # one file or a list, the later wins
        set: {trainer.max_steps: "${steps}"}         # settings over the files
      labels:
        call: lit_reason.weak_to_strong.study.label  # or a plain function, `label(out: Path, ...)`
        set: {model: "${weak.model}", seed: "${seed}"}
      strong:
        command: fit
        config: configs/weak_to_strong/strong.yaml
        each: {tau: [0, 0.5, 0.9]}                   # one run for each value, named ${tau}
        set: {data.path: "${labels.rows}", data.threshold: "${tau}"}
    tables: lit_reason.weak_to_strong.study.tables   # FinishedRuns -> StudyResults (lit_reason/study_results.py)
    smoke:                                           # what --smoke puts over all of this
      seeds: [0]
      variables: {steps: 2}

Every run is made once a seed, unless it says `once: true`. `${run.artifact}` is a file or folder that the run of the
same seed (and the same values of `each`) left: `run_dir`, `model`, `checkpoint`, `results`, `pool` (`pool.after.greedy`
where there are several), or anything in its directory by file name, the extension optional. `${run_dir}` is a run's
own. A run's id is the hash of its settings, of the defaults that its classes declare, of the files it names, and of
the runs it builds on: what is finished and unchanged is skipped. Folders count by their path; those whose content
matters are listed under the run's `inputs`.

`file` reads the YAML, `plan` expands and orders it, `checks` validates every run's configuration, `runner` runs, and
`outcome` writes results.json and report.html.
"""
