import { spawn } from 'node:child_process';

export interface ParentWatch {
  /** The server is gone: nothing is left to stop. */
  end(): void;
}

/**
 * Stops the server when this process ends without having done so, however it ended: a shell of its own process group
 * waits on a pipe that the kernel closes with us.
 */
export function watchParent(
  pid: number,
  stopSignal: NodeJS.Signals,
  folderToRemove: string | null,
): ParentWatch {
  const args = [
    '-c',
    script,
    'posthorn-watch',
    String(pid),
    stopSignal.replace('SIG', ''),
    folderToRemove ?? '',
  ];
  const watch = spawn('/bin/sh', args, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  watch.once('error', () => undefined); // no shell: the server then merely outlives a kill
  watch.stdin.once('error', () => undefined);
  watch.unref();
  (watch.stdin as unknown as { unref(): void }).unref();
  return { end: () => watch.stdin.end('end\n') };
}

// A stopped server may stay a zombie for as long as nobody collects it, hence the look at its state.
const script = `
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  [ -r "/proc/$1/stat" ] || return 0
  case "$(cat "/proc/$1/stat" 2>/dev/null)" in *') Z '* | '') return 1 ;; esac
}
if read -r _; then exit 0; fi
kill -s "$2" "$1" 2>/dev/null
n=0
while alive "$1" && [ "$n" -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
if alive "$1"; then kill -s KILL "$1"; sleep 0.2; fi
if [ -n "$3" ]; then rm -rf -- "$3"; fi
`;
