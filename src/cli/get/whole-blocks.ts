import type { Option } from '../command.ts';

export const WHOLE_BLOCKS = 'whole-blocks';

export const WHOLE_BLOCKS_OPTION: Option = {
  value: null,
  help: 'fetch whole blocks and check them here, also where a\nsmall part of a large one would do',
};
