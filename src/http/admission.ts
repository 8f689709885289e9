/** What a request that goes on may still be refused for, once its surface knows more. */
export interface Admission {
  /** Before a token is looked up that stands in no header, such as that of an S3 key. @throws KeepError too_many_requests */
  beforeLookUp(token: string): Promise<void>;
  /** Counts the request for such a token, when it has been proved. @throws KeepError too_many_requests */
  countToken(token: string): Promise<void>;
}
