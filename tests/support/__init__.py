"""Code that tests share. A test imports it by its whole name: `from tests.support.processes.hosts import Host`.

- `commands` runs a program to its end, `waiting` waits for what has no event, `directories` knows short
  temporary directories and the checkout, `trees` makes files, `local_servers` runs servers of a test's own,
  `ports` reserves a port.
- `processes`: lamina as a process. `hosts` serves, `workshops` serves plugins of the test's own, `daemons` runs
  any daemon; `doctors`, `diagnoses` and `config_commands` run a command and read what it prints; `scraping`
  reads metrics; `installations` installs packages; `systemd_units` and `seccomp` run a command as a unit says.
- `plugins`: hosts and plugins in the test's process. `benches` makes hosts of given plugins, `initialising` runs
  one init, `distributions` installs what is to be discovered, `configuration_files` writes files;
  `failing_plugins`, `hung_snapshotters`, `lamps` and `faulty_packages` are plugins; `hanging` lets calls hang.
- `listener`: gRPC. `engines` calls methods over a socket, `service_plugins` initialises the listener and the
  services without a host, `version_service` is the smallest service, `raw_http2` sends frames by hand.
- `snapshotters`: `overlay`, `native` and `btrfs` open them, `local` opens one with any backend; `backends` are
  those of the conformance suite; `records` are a host's; `capabilities` writes the README's table;
  `forwarding` stands before another one.
- `conformance`: `faults` are faulty snapshotters (`faulty_backends`, `faulty_snapshotters`) with the checks that
  notice.
- `disks`: `block_devices` log writes and refuse them (`fuse_disk`, `write_log`), `full_disks` are full;
  `snapshotters` opens snapshotters on them, `machines` has layers there; `cut_workload` and `faulted_operations`
  are work to interrupt.
- `metastores`: `changed`, `damages` and `damage_trials` damage them, `rebuilding` rebuilds them, `schema_2` is
  old.
- `hostile`: `clients` and `frames` attack a host over its socket, `planted` through its directories; `layers` are
  layers of images that reach for what is not theirs, and `watched` tells whether they did.
- `images`: `documents`, `archives`, `layouts` and `built` make images; `appliers`, `transfers` and `unpacking`
  tell what is done with them; `importing` is a program to kill. `blobs`, `layers` and `tar` make their parts.
- `interop`: `releases` fetches Debian's containerds, `cache` keeps what is fetched, `containerds` runs one,
  `nodes` runs one with CRI, which `cri` calls as a kubelet does; `docker` and `podman` run these; `images` and
  `foreign_images` make images, `registry` serves one; `kubernetes_example` is examples/kubernetes;
  `release_table` is the table of what works with which.
- `registries`: `docker_registry` runs Debian's, `token_server` gives it tokens; `proxy`, with `faults`, and
  `forward_proxy` stand before it; `seeding` fills it, `downloads` and `hosts` read it; `certificates` makes them.
- The harness: `prerequisites` are what `@pytest.mark.requires` names, `leftovers` what a test may not leave
  behind, `rounds` how much a fault test does.
"""
