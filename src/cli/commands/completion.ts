import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { optionHelp, verbsOf, verbTakes } from '../forms.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** @param all every command there is, this one included */
export function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    usage: SHELLS.join('|'),
    forms: { '': [1, 1] },
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

/** What may follow a command, or a verb of it. */
function wordsAfter(command: Command, verb: string | null): string[] {
  const options = Object.keys(command.options).filter((option) => verb === null || verbTakes(command, verb, option));
  const words = verb === null ? [...verbsOf(command), ...offered(command)] : [];
  return [...options.map((name) => `--${name}`), '--help', ...words];
}

function offered({ completes }: Command): readonly string[] {
  return Array.isArray(completes) ? completes : [];
}

/** A line for each command, those with a verb first: `token make`, `token `. */
function casesOf(all: readonly Command[], line: (command: Command, verb: string | null) => string): string {
  const cases = all.flatMap((command) =>
    [...verbsOf(command), null].map(
      (verb) => `    ${verb === null ? `'${command.name} '*` : `'${command.name} ${verb}'`}) ${line(command, verb)} ;;`,
    ),
  );
  return cases.join('\n');
}

function bash(all: readonly Command[]): string {
  return `_keep_edge() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' verb=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${all.map(({ name }) => name).join(' ')}' -- "$current"))
    return
  fi
  [ "$COMP_CWORD" -eq 2 ] || verb=\${COMP_WORDS[2]}
  case "\${COMP_WORDS[1]} $verb" in
${casesOf(all, (command, verb) => `words='${wordsAfter(command, verb).join(' ')}'`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -o bashdefault -F _keep_edge keep-edge
`;
}

function zsh(all: readonly Command[]): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(':', '\\:').split('\n').join(' ');
  const commands = all.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const described = (command: Command) => (word: string) => {
    if (word === '--help') return "'--help:what it does'";
    return word.startsWith('--') ? `'${word}:${quote(optionHelp(command, word.slice(2)))}'` : `'${word}'`;
  };
  return `_keep_edge() {
  local -a commands options
  local verb=''
  commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  (( CURRENT == 3 )) || verb=$words[3]
  case "$words[2] $verb" in
${casesOf(all, (command, verb) => `options=(${wordsAfter(command, verb).map(described(command)).join(' ')})`)}
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
    const seen = `__fish_seen_subcommand_from ${command.name}`;
    const verbs = verbsOf(command);
    const goesWith = (option: string) => {
      const own = verbs.filter((verb) => verbTakes(command, verb, option));
      return own.length === verbs.length ? seen : `${seen}; and __fish_seen_subcommand_from ${own.join(' ')}`;
    };
    return [
      `complete -c keep-edge -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`,
      ...Object.entries(command.options).map(
        ([name, { value, short }]) =>
          `complete -c keep-edge -n '${goesWith(name)}' -l ${name}${short === undefined ? '' : ` -s ${short}`}${value === null ? '' : ' -r'} -d ${quote(optionHelp(command, name))}`,
      ),
      ...[...verbs, ...offered(command)].map((word) => `complete -c keep-edge -n '${seen}' -f -a ${word}`),
    ];
  });
  return `${lines.join('\n')}\n`;
}
