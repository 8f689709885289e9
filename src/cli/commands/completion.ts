import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** @param all every command there is, this one included */
export function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    usage: SHELLS.join('|'),
    completes: SHELLS,
    options: {},
    help: `
  bash  echo 'eval "$(keep-edge completion bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(keep-edge completion zsh)"' >> ~/.zshrc      (after compinit)
  fish  keep-edge completion fish > ~/.config/fish/completions/keep-edge.fish`,
    async run(given: Given) {
      const [shell] = given.arguments;
      if (shell === 'bash') process.stdout.write(bash(all()));
      else if (shell === 'zsh') process.stdout.write(zsh(all()));
      else if (shell === 'fish') process.stdout.write(fish(all()));
      else throw usageError(`Which shell? There are: ${SHELLS.join(', ')}.`);
      return 0;
    },
  };
}

function optionsOf({ options }: Command): string[] {
  return [...Object.keys(options).map((name) => `--${name}`), '--help'];
}

function wordsOf({ completes }: Command): readonly string[] {
  return Array.isArray(completes) ? completes : [];
}

function bash(all: readonly Command[]): string {
  const cases = all.map((command) => {
    const words = [...optionsOf(command), ...wordsOf(command)].join(' ');
    return `    ${command.name}) words='${words}' ;;`;
  });
  return `_keep_edge() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${all.map(({ name }) => name).join(' ')}' -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -o bashdefault -F _keep_edge keep-edge
`;
}

function zsh(all: readonly Command[]): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(':', '\\:').split('\n').join(' ');
  const commands = all.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const cases = all.map((command) => {
    const options = Object.entries(command.options).map(([name, { help }]) => `'--${name}:${quote(help)}'`);
    const words = wordsOf(command).map((word) => `'${word}'`);
    return `    ${command.name}) options=(${[...options, "'--help:what it does'", ...words].join(' ')}) ;;`;
  });
  return `_keep_edge() {
  local -a commands options
  commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case $words[2] in
${cases.join('\n')}
  esac
  _describe option options
  _files
}
compdef _keep_edge keep-edge
`;
}

function fish(all: readonly Command[]): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").split('\n').join(' ')}'`;
  const lines = all.flatMap((command) => {
    const only = `complete -c keep-edge -n '__fish_seen_subcommand_from ${command.name}'`;
    return [
      `complete -c keep-edge -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`,
      ...Object.entries(command.options).map(
        ([name, { value, short, help }]) =>
          `${only} -l ${name}${short === undefined ? '' : ` -s ${short}`}${value === null ? '' : ' -r'} -d ${quote(help)}`,
      ),
      ...wordsOf(command).map((word) => `${only} -f -a ${word}`),
    ];
  });
  return `${lines.join('\n')}\n`;
}
